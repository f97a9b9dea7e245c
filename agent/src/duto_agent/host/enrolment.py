"""This machine becomes a host: a token is exchanged for a key, once, and kept for this user alone."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import secrets
import socket
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from duto_agent import __version__
from duto_agent.host.config import HostConfig, NotConfigured
from duto_agent.loops import backoff
from duto_agent.studio.client import Away, KeyRefused, Refused, StudioClient
from duto_protocol.messages import Exchange

# Where the key that is proposed lies until it is the host's.
DRAFT = "enrolling.json"
TRIES = 5


def enrol(home: Path, studio: str, token: str, name: str = "") -> int:
    """Write `host.json`. A key that the studio still takes is kept, whatever token comes; 0 when all is well."""
    studio = studio.rstrip("/")
    try:
        if kept := _kept(home, studio):
            return _say(f"this machine is host {kept} already; its key is kept", 0)
        if not token:
            return _say("a token is needed: copy a new command from the page Compute of the studio", 2)
        home.mkdir(parents=True, exist_ok=True)
        asked = {"token": token, "name": name or own_name(), "agent": __version__, "key": _own_key(home, token)}
        document = _ask(StudioClient(studio, ""), asked)
    except (KeyRefused, Refused) as error:
        return _say(_words(error), 2)
    except Away as error:
        return _say(f"the studio {studio} cannot be reached: {error}", 3)
    _write(home / "host.json", {**document, "studio": studio})
    (home / DRAFT).unlink(missing_ok=True)
    return _say(f"this machine is host {document['name']} of {studio} now", 0)


def _own_key(home: Path, token: str) -> str:
    """The key that this machine proposes with the token. It is kept before it is sent: should the answer be lost, the
    same key with the same token is answered again."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    try:
        draft = json.loads((home / DRAFT).read_text("utf-8"))
        if draft["token_digest"] == digest:
            return str(draft["key"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none was kept, or not for this token
    key = f"duto_host_{secrets.token_urlsafe(32)}"
    _write(home / DRAFT, {"token_digest": digest, "key": key})
    return key


def _ask(studio: StudioClient, asked: dict[str, Any]) -> dict[str, Any]:
    """Ask again where an answer may have been lost. Raises Away, KeyRefused, Refused."""
    for pause in itertools.islice(backoff(), TRIES - 1):
        try:
            return studio.enrol(asked)
        except KeyRefused:
            raise
        except Away as error:
            if isinstance(error.__cause__, httpx.ConnectError):
                raise  # nobody is there, who could have done it
            time.sleep(pause)
    return studio.enrol(asked)


def own_name() -> str:
    """The machine's name as a host may be called."""
    plain = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().split(".")[0].lower())
    return plain[:48].strip("-") or "host"


def _kept(home: Path, studio: str) -> str:
    """The name under which the studio knows this machine by the key it has; empty if it does not."""
    try:
        config = HostConfig.read(home)
    except NotConfigured:
        return ""
    if config.studio.rstrip("/") != studio:
        return ""
    try:
        # A call without a word renews nothing and takes nothing: it only asks whether the key is good.
        StudioClient(studio, config.key).exchange(Exchange())
    except KeyRefused:
        return ""
    return config.name


def _words(error: Exception) -> str:
    """The studio's own sentence, without what the client says around it."""
    cause = error.__cause__ if isinstance(error.__cause__, Refused) else error
    body = cause.body.get("error") if isinstance(cause, Refused) else None
    return str(body.get("message")) if isinstance(body, dict) and body.get("message") else str(error)


def _write(path: Path, document: dict[str, Any]) -> None:
    """Written beside and renamed: the key is never readable for others, and never half there."""
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
    draft.replace(path)


def _say(text: str, code: int) -> int:
    print(f"duto-agent: {text}", file=sys.stderr if code else sys.stdout)
    return code
