"""Whom the studio sees: a token per studio address, from the environment or the user's file, never from a
prompt.

A token goes to the address that it was given for and nowhere else: a `config.json` that names another studio
draws none.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional
from urllib.parse import urlsplit

from duto.client.http import Client
from duto.exceptions import AuthenticationException

FILE_VARIABLE = "DUTO_CREDENTIALS"


@dataclass(frozen=True)
class Credentials:
    """A studio's address, the token for it, and the workspace that it was issued for."""

    url: str
    token: Optional[str]
    workspace: Optional[str] = None
    address_file: Optional[str] = None

    def client(self) -> Client:
        return Client(self.url, self.token, address_file=self.address_file)


def credentials_path() -> Path:
    """`~/.config/duto/credentials.json`, or where XDG_CONFIG_HOME or DUTO_CREDENTIALS put it."""
    named = os.environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "duto" / "credentials.json"


def same_address(url: str) -> str:
    """An address as the key of the file: scheme, host and port in lower case, without a trailing slash."""
    parts = urlsplit(url if "//" in url else f"http://{url}")
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}{port}{parts.path.rstrip('/')}"


def in_step() -> bool:
    """Whether a studio runs this process as a step or script."""
    return bool(os.environ.get("AZUREML_RUN_TOKEN") and os.environ.get("AZUREML_RUN_ID"))


def find(studio_url: Optional[str] = None) -> Credentials:
    """The credentials for a studio, by default the one that the surroundings name.

    Inside a step: the run's own token. Then `DUTO_URL` with `DUTO_TOKEN`, then the credentials file.
    Raises `AuthenticationException` that says what to do when there is no token for this address.
    """
    if in_step():
        return _of_step()
    wanted = same_address(studio_url) if studio_url else None
    named, token = os.environ.get("DUTO_URL"), os.environ.get("DUTO_TOKEN")
    if named and token and wanted in (None, same_address(named)):
        return Credentials(same_address(named), token)
    file = _read(credentials_path())
    url = wanted or (same_address(named) if named else None) or file.get("default")
    known = {same_address(key): value for key, value in file.get("studios", {}).items()}
    if url and same_address(url) in known:
        entry = known[same_address(url)]
        return Credentials(same_address(url), entry.get("token"), entry.get("workspace"))
    raise AuthenticationException(_help(url))


def remember(url: str, token: str, workspace: str, make_default: bool = True) -> Path:
    """Write a token to the user's file, readable by the user alone (0600)."""
    path = credentials_path()
    document = _read(path)
    document.setdefault("studios", {})[same_address(url)] = {"token": token, "workspace": workspace}
    if make_default or not document.get("default"):
        document["default"] = same_address(url)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(document, stream, indent=2)
        stream.write("\n")
    part.replace(path)
    return path


def _of_step() -> Credentials:
    return Credentials(
        os.environ.get("AZUREML_SERVICE_ENDPOINT", ""),
        os.environ["AZUREML_RUN_TOKEN"],
        os.environ.get("AZUREML_ARM_WORKSPACE_NAME"),
        os.environ.get("DUTO_STUDIO_FILE"),
    )


def _read(path: Path) -> Dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AuthenticationException(f"The credentials file {path} cannot be read: {error}") from error
    return found if isinstance(found, dict) else {}


def _help(url: Optional[str]) -> str:
    where = f"for the studio at {url}" if url else "for any studio"
    return (
        f"There are no credentials {where}. Start one with `python3 manage.py up`, which writes them for "
        f"you, or set "
        "DUTO_URL and DUTO_TOKEN to its address and a token (page Settings, or `python3 manage.py token`)."
    )
