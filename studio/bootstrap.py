"""Builds the locked environment beside the checkout and moves the process into it.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"
STAMP = VENV / "duto-stamp.json"
INDEX = VENV / "duto-index.json"
NEEDED_BYTES = 3 << 29
GIB = 1 << 30
LOCKED = [
    "pyproject.toml",
    "uv.lock",
    "sdk/duto/pyproject.toml",
    "sdk/azureml/pyproject.toml",
    "agent/pyproject.toml",
    "protocol/pyproject.toml",
]
PUBLIC_INDEX = "pypi.org"
# What web, worker and agent import at their start.
COMPILED = [
    "allauth",
    "amqp",
    "anyio",
    "asgiref",
    "billiard",
    "celery",
    "channels",
    "channels_redis",
    "click",
    "django",
    "django_htmx",
    "docker",
    "drf_spectacular",
    "fsspec",
    "h11",
    "httpcore",
    "httpx",
    "idna",
    "kombu",
    "redis",
    "requests",
    "rest_framework",
    "sqlparse",
    "template_partials",
    "urllib3",
    "uvicorn",
    "vine",
    "websockets",
    "whitenoise",
    "yaml",
]
NOT_COMPILED = r"/(tests?|gis|locale|admindocs|mysql|oracle|socialaccount/providers)/"
OFFLINE = ("dns error", "failed to fetch", "connection", "timed out", "network", "error sending request")


class Refusal(Exception):
    """The environment cannot be built, and the text says what to do."""


def enter(argv: list[str]) -> None:
    """Return when the process runs in the locked environment; replace it until then."""
    if os.environ.get("DUTO_NO_BOOTSTRAP"):
        return
    dev = argv[1:2] in (["test"], ["words"])
    try:
        if not is_ready(dev):
            with one_at_a_time():
                if not is_ready(dev):
                    build(dev)
    except Refusal as refusal:
        sys.exit(f"Duto could not build its environment.\n{refusal}")
    except OSError as error:
        sys.exit(f"Duto could not build its environment in {VENV}.\n{explain_os_error(error)}")
    if Path(sys.prefix).resolve() != VENV.resolve():
        python = str(VENV / "bin" / "python")
        os.execv(python, [python, *argv])  # noqa: S606 - the same command, under the locked interpreter


def is_ready(dev: bool) -> bool:
    """True when the environment holds what the lock says, with no process started to learn it."""
    stamp = read_stamp()
    built = stamp.get("lock") == lock_digest() and (VENV / "bin" / "python").exists()
    return built and (bool(stamp.get("dev")) or not dev) and wanted_extras() <= set(stamp.get("extras", ()))


def wanted_extras() -> set[str]:
    """What `DUTO_EXTRAS` names of the extras of pyproject.toml, such as `azure,s3`."""
    return {name.strip() for name in os.environ.get("DUTO_EXTRAS", "").split(",") if name.strip()}


def lock_digest() -> str:
    """One digest of every file that decides what is installed."""
    digest = hashlib.sha256()
    for name in LOCKED:
        digest.update((ROOT / name).read_bytes())
    # Editable installs remember where the checkout stood.
    digest.update(str(ROOT).encode())
    return digest.hexdigest()


@contextlib.contextmanager
def one_at_a_time():  # type: ignore[no-untyped-def]  # noqa: ANN201 - a generator of nothing
    """Two commands started together must not build over each other."""
    import fcntl

    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(dev: bool) -> None:
    """Bring a private uv, then install exactly what the lock names."""
    free = shutil.disk_usage(ROOT).free
    if not VENV.exists() and free < NEEDED_BYTES:
        raise Refusal(f"It needs about {NEEDED_BYTES / GIB:.1f} GiB of disk; {ROOT} has {free / GIB:.1f} GiB free.")
    say("Building the environment (the first time takes a little while)")
    index = pip_index()
    env = {**os.environ, **index, "UV_PYTHON_DOWNLOADS": "never", "UV_PROJECT_ENVIRONMENT": str(VENV)}
    env.pop("VIRTUAL_ENV", None)
    uv = find_uv()
    stamp = read_stamp()
    # What was installed once is kept in step, the test tools too.
    dev = dev or bool(stamp.get("dev"))
    extras = wanted_extras() | set(stamp.get("extras", ()))
    groups = (
        ["--group", "dev", "--all-extras"] if dev else [part for name in sorted(extras) for part in ("--extra", name)]
    )
    if mirrors(index):
        install_from_mirror(uv, env, groups)
    else:
        # Inexact: what a developer added stays.
        uv_run([uv, "sync", "--frozen", "--inexact", "--quiet", *interpreter(), *groups], env)
    if sys.dont_write_bytecode:
        compile_what_starts()
    INDEX.write_text(json.dumps(index))
    STAMP.write_text(json.dumps({"lock": lock_digest(), "dev": dev, "extras": sorted(extras)}))


def compile_what_starts() -> None:
    """Where Python may not keep compiled modules by itself, each start would compile a second of code anew."""
    folders = [str(path) for name in COMPILED for path in VENV.glob(f"lib/python*/site-packages/{name}")]
    command = [str(VENV / "bin" / "python"), "-m", "compileall", "-q", "-j", "0", "-x", NOT_COMPILED, *folders]
    subprocess.run(command, capture_output=True)


def interpreter() -> list[str]:
    """Keep the Python of an environment that stands; else build it on the one that runs."""
    return [] if (VENV / "bin" / "python").exists() else ["--python", sys.executable]


def read_stamp() -> dict[str, Any]:
    """What is installed, by what the last build wrote down."""
    try:
        return dict(json.loads(STAMP.read_text()))
    except (OSError, ValueError):
        return {}


def find_uv() -> str:
    """The uv that the lock names, private to this checkout; or the one that the user points at."""
    chosen = os.environ.get("DUTO_UV")
    if chosen:
        return chosen
    version = locked_version("uv")
    private = TOOLS / f"uv-{version}"
    binary = private / "bin" / "uv"
    if binary.exists():
        return str(binary)
    on_path = shutil.which("uv")
    if on_path and version in capture([on_path, "--version"]):
        return on_path
    require_pip()
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-warn-script-location",
        "--target",
        str(private),
        f"uv=={version}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"})
    if done.returncode or not binary.exists():
        shutil.rmtree(private, ignore_errors=True)
        raise Refusal(explain("pip install uv", done.stdout + done.stderr))
    return str(binary)


def locked_version(name: str) -> str:
    """The version of a package in the lock (tomllib is spared: one line is wanted)."""
    found = re.search(rf'name = "{name}"\nversion = "([^"]+)"', (ROOT / "uv.lock").read_text())
    if not found:
        raise Refusal(f"uv.lock does not name {name}.")
    return found.group(1)


def require_pip() -> None:
    """Say which package brings pip instead of failing on an import."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode:
        raise Refusal(
            f"{sys.executable} has no pip. On Debian and Ubuntu: apt install python3-pip. "
            "Elsewhere: python3 -m ensurepip. Or install uv and set DUTO_UV to its path."
        )


def pip_index() -> dict[str, str]:
    """What pip is told about indexes and certificates, in uv's words (uv reads no pip.conf)."""
    options: dict[str, str] = {}
    listing = capture([sys.executable, "-m", "pip", "config", "list"])
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        scope, _, option = key.strip().rpartition(".")
        # Listed from the weakest to the strongest, but for the environment, which wins.
        if scope in ("global", "install", "user", "site") or scope == ":env:":
            if scope != ":env:" and f"!{option}" in options:
                continue
            options[option] = " ".join(value.strip().strip("'\"").replace("\\n", " ").split())
            if scope == ":env:":
                options[f"!{option}"] = "1"
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
    }
    index = {uv: options[pip] for pip, uv in names.items() if options.get(pip)}
    if "UV_FIND_LINKS" in index:
        index["UV_FIND_LINKS"] = index["UV_FIND_LINKS"].replace(" ", ",")
    if "UV_INDEX" in index:
        # pip looks in all of its indexes; uv stops at the first that knows the name.
        index["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return {key: value for key, value in index.items() if key not in os.environ}


def index_settings() -> dict[str, str]:
    """The index that was found when the environment was built, for the agent, which builds environments, too."""
    try:
        settings = json.loads(INDEX.read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in settings.items()}


def mirrors(index: dict[str, str]) -> bool:
    """True when packages must come from another index than the lock's addresses."""
    default = os.environ.get("UV_DEFAULT_INDEX") or index.get("UV_DEFAULT_INDEX", "")
    return bool(default) and PUBLIC_INDEX not in default


def install_from_mirror(uv: str, env: dict[str, str], groups: list[str]) -> None:
    """The lock's versions and hashes from a configured index: the lock's own addresses are out of reach."""
    if interpreter():
        uv_run([uv, "venv", "--quiet", *interpreter(), str(VENV)], env)
    names = TOOLS / "requirements.txt"
    uv_run([uv, "export", "--frozen", "--quiet", "--no-emit-workspace", "--output-file", str(names), *groups], env)
    where = ["--quiet", "--python", str(VENV / "bin" / "python")]
    uv_run([uv, "pip", "install", *where, "--require-hashes", "-r", str(names)], env)
    members = [part for name in ("sdk/duto", "sdk/azureml", "protocol", "agent") for part in ("-e", str(ROOT / name))]
    uv_run([uv, "pip", "install", *where, "--no-deps", *members], env)


def uv_run(command: list[str], env: dict[str, str]) -> None:
    """Run uv, or say in plain words why it could not."""
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise Refusal(explain(" ".join(["uv", *command[1:3]]), done.stderr))


def explain(what: str, output: str) -> str:
    """The likely reason first, then the tool's own last lines."""
    low, tail = output.lower(), "\n".join(output.strip().splitlines()[-6:])
    if "no space left" in low:
        return f"The disk is full ({what}). Free some space below {ROOT} and start again.\n{tail}"
    if any(word in low for word in OFFLINE):
        return (
            f"The package index did not answer ({what}). Without a network, configure pip for an index "
            f"that can be reached (pip config set global.index-url ...); Duto uses the same one.\n{tail}"
        )
    return f"{what} failed.\n{tail}"


def explain_os_error(error: OSError) -> str:
    """Words for the three ways in which a disk says no."""
    import errno

    words = {
        errno.ENOSPC: "The disk is full.",
        errno.EROFS: "The file system is read-only.",
        errno.EACCES: "This user may not write there.",
    }
    return words.get(error.errno or 0, str(error))


def capture(command: list[str]) -> str:
    """What a command printed, or nothing."""
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout
    except OSError:
        return ""


def say(text: str) -> None:
    """Progress goes to stderr: stdout belongs to the command."""
    print(f"  {text} ...", file=sys.stderr, flush=True)
