"""The uv binary, and what pip is told about indexes and certificates in uv's words."""

from __future__ import annotations

import configparser
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from duto.spec.sentences import said
from duto_agent.worded import Worded

# `find_uv_bin` asks Python for its settings. They are read when they are first asked for, and whoever asks meanwhile in another
# thread is given none (CPython 3.11): so they are read here, before there are threads.
sysconfig.get_config_vars()
# Credentials and settings of the agent stay with the agent; uv gets what reaching an index needs.
PASSED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "NETRC", "XDG_CACHE_HOME")
PASSED_STARTS = ("UV_", "SSL_CERT", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "no-index": "UV_NO_INDEX",
}


class UvMissing(Worded):
    """There is no uv on this host."""


def uv_binary() -> str:
    """The one in the agent's own environment, else the one on the path."""
    try:
        from uv import find_uv_bin

        return os.fsdecode(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if not found:
        raise UvMissing(said("no_uv"))
    return found


def uv_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that uv runs in."""
    source = os.environ if variables is None else variables
    passed = {name: value for name, value in source.items() if name in PASSED or name.upper().startswith(PASSED_STARTS)}
    return {
        **pip_settings(source),
        **passed,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "UV_NO_CONFIG": "1",
        # pip looks at every index for the best version; a lock made for pip expects the same.
        "UV_INDEX_STRATEGY": source.get("UV_INDEX_STRATEGY", "unsafe-best-match"),
        "NO_COLOR": "1",
    }


def pip_settings(variables: Mapping[str, str]) -> dict[str, str]:
    """uv reads no pip.conf: hand it what stands there, and in the PIP_ variables."""
    found: dict[str, str] = {}
    for path in _pip_files(variables):
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                found.update({name: value for name, value in parser.items(section) if name in NAMES})
    for name in NAMES:
        value = variables.get("PIP_" + name.upper().replace("-", "_"))
        if value:
            found[name] = value
    settings = {NAMES[name]: " ".join(value.split()) for name, value in found.items()}
    if "UV_FIND_LINKS" in settings:
        settings["UV_FIND_LINKS"] = settings["UV_FIND_LINKS"].replace(" ", ",")
    return settings


def _pip_files(variables: Mapping[str, str]) -> list[Path]:
    """Where pip keeps its settings, the weakest first."""
    if variables.get("PIP_CONFIG_FILE") == os.devnull:
        return []
    home = Path(variables.get("HOME") or Path.home())
    xdg = Path(variables.get("XDG_CONFIG_HOME") or home / ".config")
    files = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        home / "Library/Application Support/pip/pip.conf",
        xdg / "pip/pip.conf",
        Path(sys.prefix) / "pip.conf",
    ]
    if variables.get("PIP_CONFIG_FILE"):
        files.append(Path(variables["PIP_CONFIG_FILE"]))
    return [path for path in files if path.is_file()]
