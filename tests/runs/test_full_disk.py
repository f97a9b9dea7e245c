"""A studio whose own disk is full: it says so, keeps no half file, and takes the same call once there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg.errors
import pytest
from django.db import OperationalError

from core.fullness import as_full
from core.storage import data_dir
from tests.runs.conftest import RunScenario

SMALL = 4 << 20


@pytest.fixture
def crowded(settings: object) -> Iterator[Path]:
    """The studio's data on a disk of four megabytes that others have filled."""
    place = data_dir()
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=755", "duto-small", str(place)]
    if subprocess.run(command, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    (place / "others").write_bytes(bytes(SMALL - (1 << 16)))
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.parametrize("part", ["files/artifact/outputs/m.bin", "log?offset=0"])
def test_what_an_agent_brings_is_answered_with_words_and_taken_later(
    part: str, scenario: RunScenario, crowded: Path
) -> None:
    run = scenario.step(scenario.pipeline("train"), "train")
    attempt = scenario.attempt(run)
    address = f"/agent/v1/attempts/{attempt.pk}/{attempt.epoch}/{part}"
    data = os.urandom(1 << 20)
    answer = scenario.agent.put(address, data, content_type="application/octet-stream")
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "studio_full")
    assert "The studio's disk is full" in answer.json()["error"]["message"]
    assert not list(crowded.rglob(".part-*"))
    (crowded / "others").unlink()
    answer = scenario.agent.put(address, data, content_type="application/octet-stream")
    assert (answer.status_code, answer.json()) == (200, {"size": 1 << 20})


def test_what_a_program_uploads_is_answered_in_the_same_words(scenario: RunScenario, crowded: Path) -> None:
    run = scenario.pipeline("train")
    answer = scenario.client.put(
        f"{scenario.base}runs/{run.pk}/artifacts/outputs/a.bin", bytes(1 << 20), content_type="application/octet-stream"
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "studio_full")


def test_databases_say_it_in_their_own_words() -> None:
    def raised(error: Exception, cause: Exception | None = None) -> Exception:
        error.__cause__ = cause
        return error

    assert as_full(OperationalError("database or disk is full"))
    assert as_full(raised(OperationalError("could not extend file"), psycopg.errors.DiskFull()))
    assert as_full(raised(OperationalError("the connection is lost"), psycopg.errors.AdminShutdown())) is None
    assert as_full(OSError(13, "no")) is None and as_full(ValueError("No space left on device")) is None
