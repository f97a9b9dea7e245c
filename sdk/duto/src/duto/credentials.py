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

from duto.client.http import Client, split_address
from duto.exceptions import AuthenticationException

FILE_VARIABLE = "DUTO_CREDENTIALS"


@dataclass(frozen=True)
class Credentials:
    """A studio's address and the token for it.

    Attributes:
        url: the studio's address, such as `http://127.0.0.1:8000`.
        token: the token, or None where there is none.
        workspace: name of the workspace that the token was issued for, where that is known.
        address_file: a JSON file whose `url` is where the studio is now; the agent keeps it up to date inside a step.
    """

    url: str
    token: Optional[str]
    workspace: Optional[str] = None
    address_file: Optional[str] = None

    def client(self) -> Client:
        """A connection with these credentials.

        Returns:
            A new connection; nothing is sent before its first call.
        """
        return Client(self.url, self.token, address_file=self.address_file)


def credentials_path() -> Path:
    """`~/.config/duto/credentials.json`, or where XDG_CONFIG_HOME or DUTO_CREDENTIALS put it."""
    named = os.environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "duto" / "credentials.json"


def same_address(url: str) -> str:
    """An address as the key of the file: scheme, host and port in lower case, without a trailing slash.

    Raises:
        UserErrorException: it is none.
    """
    parts = split_address(url if "//" in url else f"http://{url}")
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}{port}{parts.path.rstrip('/')}"


def in_step() -> bool:
    """Whether a studio runs this process as a step or script."""
    return bool(os.environ.get("AZUREML_RUN_TOKEN") and os.environ.get("AZUREML_RUN_ID"))


def find(studio_url: Optional[str] = None) -> Credentials:
    """The credentials for a studio, by default the one that the surroundings name.

    Inside a step: the run's own token. Then `DUTO_URL` with `DUTO_TOKEN`, then the credentials file. A token goes to
    the address that it was given for and to no other.

    Args:
        studio_url: the studio's address; None for `DUTO_URL`, else the file's default. Inside a step it does not
            matter.

    Returns:
        The credentials.

    Raises:
        AuthenticationException: there is no token for this address (the message says what to do), or the credentials
            file cannot be read.
        UserErrorException: `studio_url`, `DUTO_URL` or a key of the file is no address.
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
    """Write a token to the user's credentials file, readable by the user alone (0600).

    Args:
        url: the studio's address; another token for the same address is replaced.
        token: a token of the page Settings or of `python3 manage.py token`.
        workspace: name of the workspace that it was issued for.
        make_default: let it be the studio that programs without an address mean; the first one always is.

    Returns:
        The file that was written.

    Raises:
        AuthenticationException: the file that is there cannot be read.
        UserErrorException: `url` is no address.
    """
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
        f"There are no credentials {where}. Keep a token of the page Settings by `duto login URL`, or set "
        "DUTO_URL and DUTO_TOKEN to the studio's address and a token. On the studio's own machine "
        "`python3 manage.py up` keeps one for whoever starts it, and `python3 manage.py token` makes one."
    )
