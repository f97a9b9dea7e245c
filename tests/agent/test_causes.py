"""From a verdict to words that a person can act on."""

from __future__ import annotations

from typing import Any

import pytest

from duto_agent.attempt.bindings import Bound
from duto_agent.attempt.causes import cause_of, warnings_of
from tests.agent.specs import step_of

BOUND = Bound(inputs={"raw": "/a/inputs/raw"}, outputs={"model": "/a/outputs/model"})


def failed(text: str) -> dict[str, Any]:
    return {"exit_code": 1, "signal": None, "traceback": {"file": "train.py", "line": 3, "text": text}}


@pytest.mark.parametrize(
    ("verdict", "code", "words"),
    [
        ({"exit_code": 0}, None, ""),
        ({"exit_code": 3}, "user_error", "exit code 3"),
        ({"exit_code": None, "signal": 15, "canceled": True, "left_over": 0}, "canceled", "None of its processes"),
        ({"exit_code": None, "signal": 9, "timed_out": True}, "timeout", "its time limit of 1 min."),
        ({"exit_code": None, "signal": 9, "oom_kills": 1}, "out_of_memory", "ran out of memory"),
        ({"exit_code": None, "signal": 9, "oom_kills": 1, "oom_scope": "step"}, "out_of_memory", "The step ran out of memory (its node has 512 MiB)"),
        ({"exit_code": None, "signal": 9, "oom_kills": 1, "oom_scope": "host"}, "out_of_memory", "The host ran out of memory"),
        ({"exit_code": 1, "oom_kills": 1, "oom_scope": "step"}, "out_of_memory", "killed a child of the script for want of memory"),
        ({"exit_code": 1, "oom_kills": 3, "oom_scope": "step"}, "out_of_memory", "killed 3 children"),
        ({"exit_code": 1, "oom_kills": 1, "oom_scope": "host"}, "user_error", "exit code 1"),
        ({"exit_code": 0, "oom_kills": 1, "oom_scope": "step"}, None, ""),
        ({"exit_code": None, "signal": 9, "oom_kills": 0}, "user_error", "killed"),
        ({"exit_code": None, "signal": 11}, "user_error", "SIGSEGV"),
        ({"exit_code": 127}, "environment", "could not be started"),
        (failed("ValueError: no"), "user_error", "ValueError: no (train.py, line 3)"),
        (failed("MemoryError"), "out_of_memory", "more memory"),
        (failed("numpy.core._exceptions._ArrayMemoryError: Unable"), "out_of_memory", "more memory"),
        (failed("OSError: [Errno 28] No space left on device"), "disk_full", "The disk of the host is full (train.py, line 3). Make room"),
        ({**failed("OSError: [Errno 28] No space left on device"), "disk_free": 4096}, "disk_full", "line 3): 4 KiB were free when the script ended. Make room"),
        ({**failed("OSError: [Errno 28] No space left on device"), "disk_free": 5 << 30}, "disk_full", "has 5 GiB free, so it was another place, such as /tmp"),
        (failed("OSError: [Errno 122] Disk quota exceeded: 'x'"), "disk_full", "is full"),
        ({"exit_code": 1, "log_error": "No space left on device", "disk_free": 0}, "disk_full", "0 B were free"),
        (failed("ModuleNotFoundError: No module named 'torch.nn'"), "user_error", "no module 'torch'"),
        (failed("FileNotFoundError: [Errno 2] No such file or directory: '/a/outputs/model/m'"), "user_error", "makedirs"),
        (failed("FileNotFoundError: [Errno 2] No such file or directory: '/a/inputs/raw/x.csv'"), "data_missing", "'x.csv'"),
        (failed("FileNotFoundError: [Errno 2] No such file or directory: '/b'"), "user_error", "/b"),
    ],
)  # fmt: skip
def test_a_cause_and_its_words(verdict: dict[str, Any], code: str | None, words: str) -> None:
    cause = cause_of(verdict, step_of({"timeout_seconds": 60, "limits": {"memory": 512 << 20}}), BOUND)
    assert cause.code == code and words in (cause.message or "")


def test_a_program_that_a_command_names_and_nobody_has_is_the_command_s_affair() -> None:
    cause = cause_of({"exit_code": 127}, step_of({"kind": "command"}), BOUND)
    assert cause.code == "user_error" and "was not found (exit code 127)" in (cause.message or "")


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ({"exit_code": 0, "oom_kills": 1, "oom_scope": "step"}, "The kernel killed a child of the script for want of"),
        ({"exit_code": 0, "oom_kills": 1, "oom_scope": "host"}, ""),
        ({"exit_code": 0, "oom_kills": 0, "oom_scope": "step"}, ""),
        ({"exit_code": 0, "oom_kills": 1, "oom_scope": "step", "canceled": True}, ""),
        ({"exit_code": 1, "oom_kills": 1, "oom_scope": "step"}, ""),
    ],
)
def test_a_step_that_ended_well_is_warned_of_children_that_were_killed(verdict: dict[str, Any], words: str) -> None:
    assert words in " ".join(warnings_of(verdict)) and bool(words) == bool(warnings_of(verdict))


@pytest.mark.parametrize(
    ("files", "missing", "words"),
    [
        (["deep/step.py", "other.py"], "shared", "The step's environment has no module 'shared' (train.py, line 3): add it to"),
        (["deep/step.py", "shared.txt", "data/shared"], "shared", "add it to its packages"),
        (["deep/step.py", "src/shared.py"], "shared", "lies in the snapshot's folder 'src', where Python does not look (train.py, line 3): import it as 'src.shared'"),
        (["deep/step.py", "a/b/shared/more/x.py"], "shared.more", "'a/b', where Python does not look (train.py, line 3): import it as 'a.b.shared'"),
        (["deep/step.py", "shared/__init__.py"], "shared.gone", "The snapshot has 'shared', but there is no module 'shared.gone' in it"),
        (["deep/step.py", "deep/shared/x.py"], "shared.gone", "there is no module 'shared.gone' in it"),
    ],
)  # fmt: skip
def test_a_module_of_the_snapshot_is_no_matter_of_packages(files: list[str], missing: str, words: str) -> None:
    spec = {"script": "deep/step.py", "snapshot": {"files": [{"path": path} for path in files]}}
    text = cause_of(failed(f"ModuleNotFoundError: No module named '{missing}'"), step_of(spec), BOUND).message
    assert words in text and ("add it to its packages" in text) == ("environment has no" in text)
