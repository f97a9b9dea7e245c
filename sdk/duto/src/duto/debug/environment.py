"""The Python of a step, built on this machine from the exact packages that it ran with."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence

import duto
from duto.debug.document import Environment
from duto.exceptions import UserErrorException

Say = Callable[[str], None]
READY = "duto-environment.json"
_WITHOUT = "Or say --no-environment to start it with the Python that runs this command."


def write_definition(folder: Path, environment: Environment) -> None:
    """The definition, and the exact packages as files that pip and conda read, for whoever wants to build it themselves."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "definition.json").write_text(json.dumps(environment.definition, indent=2) + "\n", encoding="utf-8")
    explicit, pip = split(environment.lock)
    (folder / "requirements.txt").write_text(pip, encoding="utf-8")
    if explicit:
        (folder / "conda-explicit.txt").write_text(explicit, encoding="utf-8")


def split(lock: str) -> "tuple[str, str]":
    """The explicit list of conda, and the requirements of pip."""
    if not lock.startswith("@EXPLICIT"):
        return "", lock
    head, _mark, tail = lock.partition("@PIP\n")
    return head, tail


def ensure(path: Path, environment: Environment, say: Say) -> Path:
    """Build the environment at this path, unless it is there; its interpreter.

    Raises:
        UserErrorException: what builds it is not on this machine, or does not do it; the message says what to do.
    """
    key = hashlib.sha256(f"{environment.minor}\n{environment.lock}".encode("utf-8")).hexdigest()
    if _key_of(path) == key and interpreter_of(path).exists():
        return interpreter_of(path)
    if path.exists():
        if _key_of(path) is None and any(path.iterdir()) and not (path / "pyvenv.cfg").exists():
            raise UserErrorException(f"'{path}' is no environment that was made here. Move it away.")
        shutil.rmtree(str(path))
    say(f"Building the environment in {path} with Python {environment.minor or 'of this machine'}.")
    build = _build_conda if environment.is_conda else _build_uv if shutil.which("uv") else _build_venv
    build(path, environment)
    (path / READY).write_text(json.dumps({"key": key}), encoding="utf-8")
    return interpreter_of(path)


def interpreter_of(path: Path) -> Path:
    """The Python of an environment."""
    if os.name != "nt":
        return path / "bin" / "python"
    inner = path / "Scripts" / "python.exe"
    return inner if inner.exists() else path / "python.exe"


def copy_sdk(folder: Path) -> List[str]:
    """The SDK as every step has it; the names of its packages that are not on this machine."""
    missing = []
    for name in ("duto", "azureml"):
        place = _package(name)
        if place is None:
            missing.append(name)
            continue
        if (folder / name).exists():
            shutil.rmtree(str(folder / name))
        shutil.copytree(str(place), str(folder / name), ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    return missing


def _package(name: str) -> Optional[Path]:
    if name == "duto":
        return Path(duto.__file__).parent
    from importlib.util import find_spec

    found = find_spec(name)
    place = Path(found.origin).parent if found is not None and found.origin else None
    # Azure's own SDK has the same name; ours knows what is beyond it.
    return place if place is not None and (place / "_beyond.py").is_file() else None


def _key_of(path: Path) -> Optional[str]:
    try:
        found = json.loads((path / READY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(found.get("key")) if isinstance(found, dict) else None


def _build_uv(path: Path, environment: Environment) -> None:
    wanted = ["--python", environment.minor] if environment.minor else []
    _run(["uv", "venv", "--no-project", *wanted, str(path)], environment)
    if environment.lock.strip():
        _run(["uv", "pip", "sync", "--python", str(interpreter_of(path)), "-"], environment, environment.lock)


def _build_venv(path: Path, environment: Environment) -> None:
    python = _python_of(environment.minor)
    _run([python, "-m", "venv", str(path)], environment)
    if environment.lock.strip():
        words = ["-m", "pip", "install", "--no-deps", "--disable-pip-version-check", "--quiet", "-r"]
        requirements = path / "duto-lock.txt"
        requirements.write_text(environment.lock, encoding="utf-8")
        _run([str(interpreter_of(path)), *words, str(requirements)], environment)


def _build_conda(path: Path, environment: Environment) -> None:
    program = next((found for each in ("micromamba", "mamba", "conda") if (found := shutil.which(each))), None)
    if program is None:
        raise UserErrorException(
            "The environment has packages of conda, and neither micromamba nor conda is on the PATH. Install one of them, "
            f"such as micromamba. {_WITHOUT}"
        )
    explicit, pip = split(environment.lock)
    platforms = set(re.findall(r"/(linux-64|linux-aarch64|osx-64|osx-arm64|win-64)/", explicit))
    if platforms and not platforms & set(_own_platforms()):
        raise UserErrorException(
            f"The packages of conda were locked for {', '.join(sorted(platforms))}, which this machine is not. {_WITHOUT}"
        )
    listed = path.parent / "environment" / "conda-explicit.txt"
    _run([program, "create", "--yes", "--prefix", str(path), "--file", str(listed)], environment)
    if pip.strip():
        uv = shutil.which("uv")
        python = str(interpreter_of(path))
        words = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install", "--quiet"]
        _run([*words, "--no-deps", "-r", str(path.parent / "environment" / "requirements.txt")], environment)


def _own_platforms() -> Sequence[str]:
    machine = os.uname().machine.lower() if hasattr(os, "uname") else "amd64"
    system = "win" if os.name == "nt" else "osx" if sys.platform == "darwin" else "linux"
    if machine in ("arm64", "aarch64"):
        return ("osx-arm64", "osx-64") if system == "osx" else (f"{system}-aarch64",)
    return (f"{system}-64",)


def _python_of(minor: str) -> str:
    """An interpreter of this version: that of this command, or one of the PATH."""
    own = ".".join(map(str, sys.version_info[:2]))
    if not minor or minor == own:
        return sys.executable
    found = shutil.which(f"python{minor}")
    if found is None:
        raise UserErrorException(
            f"The step ran with Python {minor}, which is not on this machine. Install it, or uv, which fetches it. {_WITHOUT}"
        )
    return found


def _run(command: List[str], environment: Environment, given: str = "") -> None:
    variables: Dict[str, str] = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, input=given, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        universal_newlines=True, errors="replace",
    )  # fmt: skip
    if done.returncode == 0:
        return
    found = [line.strip() for line in done.stdout.splitlines() if line.strip()][-12:]
    raise UserErrorException(
        "The environment could not be built: "
        + "\n  ".join([f"{Path(command[0]).name} said:", *found])
        + f"\n{_WITHOUT}"
    )
