"""The agent as a service of systemd: what the installer writes is what the documents show and systemd understands."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("installer", ROOT / "agent" / "install.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_documents_show_the_unit_that_is_written(installer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    text = installer.unit(Path("/var/lib/duto-agent"))
    assert f"```ini\n{text}```" in (ROOT / "docs" / "hosts.md").read_text()


def test_a_users_service_comes_with_the_users_session(installer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "WantedBy=default.target" in installer.unit(Path("/home/ana/.duto-agent"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
@pytest.mark.parametrize("name", ["duto-agent", "with space", "100%", "dol$lar", "grün", "a;b"])
def test_systemd_understands_the_unit_wherever_the_agent_lives(
    installer: ModuleType, tmp_path: Path, name: str
) -> None:
    home = tmp_path / name
    python = Path(installer.command(home)[0])
    python.parent.mkdir(parents=True)
    python.symlink_to("/bin/true")
    assert verified(tmp_path, installer.unit(home)) == ""
    python.unlink()  # so that the silence above means that it was found
    assert str(python) in verified(tmp_path, installer.unit(home))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
@pytest.mark.parametrize("name", ["it's", 'quo"te', "back\\slash"])
def test_a_folder_that_systemd_takes_no_program_from_is_told_by_it(
    installer: ModuleType, tmp_path: Path, name: str
) -> None:
    assert "special characters" in verified(tmp_path, installer.unit(tmp_path / name))


def verified(folder: Path, text: str) -> str:
    """What systemd has to say against the unit."""
    file = folder / "duto-agent.service"
    file.write_text(text)
    words = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr
