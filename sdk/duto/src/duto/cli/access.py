"""Which studio and which workspace: kept by `login`, written for programs by `config`, found for every other command."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import sys
from typing import Any, Dict

from duto import credentials
from duto.cli.output import Output
from duto.client.http import Client
from duto.exceptions import AuthenticationException, NotFoundException, UserErrorException
from duto.workspace.workspace import Workspace


def login(options: argparse.Namespace, output: Output) -> int:
    """Ask the studio what the token opens, then keep it."""
    if "://" not in options.studio:
        # A guess might send the token in the clear.
        raise UserErrorException(
            f"Say how {options.studio} is reached: http://{options.studio} or https://{options.studio}."
        )
    url = credentials.same_address(options.studio)
    token = options.token or _read_token(url)
    if not token:
        raise AuthenticationException(f"There is no token. The page Settings of {url} makes one.")
    me = _me(url, token)
    names = [each["name"] for each in me["workspaces"]]
    name = options.workspace or (names[0] if len(names) == 1 else "")
    if name not in names:
        raise UserErrorException(
            f"Which workspace? The token opens: {', '.join(names) or 'none'}. Say --workspace NAME."
        )
    path = credentials.remember(url, token, name)
    document = {"studio": url, "username": me["username"], "workspace": name, "credentials": str(path)}
    output.lines(
        document, f"{url} knows you as {me['username']}, in the workspace {name}.", f"The token is kept in {path}."
    )
    return 0


def config(options: argparse.Namespace, output: Output) -> int:
    """Write the file that `Workspace.from_config()` reads."""
    workspace = workspace_of(options)
    path = workspace._write_config(options.folder)
    output.lines(
        {"studio": workspace.studio_url, "workspace": workspace.name, "path": str(path)},
        f"{path} names the workspace {workspace.name} of {workspace.studio_url}. It holds no secret.",
    )
    return 0


def workspace_of(options: argparse.Namespace) -> Workspace:
    """The workspace that a command is about."""
    if options.studio is None and options.workspace is None:
        return Workspace._around()
    found = credentials.find(options.studio)
    name = options.workspace or found.workspace
    if not name:
        raise UserErrorException("Say which workspace is meant: --workspace NAME.")
    return Workspace(None, None, name, _credentials=found)


def _me(url: str, token: str) -> Dict[str, Any]:
    """Whom the studio sees by this token, or a refusal that says that no studio is there."""
    with contextlib.suppress(NotFoundException):
        me = Client(url, token).get("/api/v1/me/")
        if isinstance(me, dict) and "workspaces" in me:
            return me
    raise NotFoundException(
        f"No Duto studio answers at {url}. Its address has no page behind it: https://duto.example.org."
    )


def _read_token(url: str) -> str:
    """From the terminal, unseen; else the first line of what is piped in."""
    if sys.stdin.isatty():
        return getpass.getpass(f"Token (page Settings of {url}): ").strip()
    return sys.stdin.readline().strip()
