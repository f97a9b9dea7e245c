"""Which verdicts are a shim's own. In a container the script is the same user as its shim, and may write what that writes.

The shim of an attempt gets a key of its own with which it seals its verdict, and keeps its memory and variables from the
script. What bears no seal was not left by it, and is no verdict.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from duto_agent.files import open_plain
from duto_agent.launchers.base import AttemptKey
from duto_agent.shim.verdict import SEAL, seal_of

BYTES = 32


class Seals:
    """The agent's secret, from which each attempt's key follows: an agent that starts again knows them all."""

    def __init__(self, file: Path) -> None:
        self._file, self._secret = file, b""

    def key(self, attempt: AttemptKey) -> str:
        """What the shim of this attempt seals with. Raises OSError."""
        return hashlib.blake2b(attempt.folder.encode(), key=self._known(), digest_size=BYTES).hexdigest()

    def is_on(self, attempt: AttemptKey, verdict: Mapping[str, Any]) -> bool:
        """Whether the verdict was sealed by the shim of this very attempt. Raises OSError."""
        value = {name: each for name, each in verdict.items() if name != SEAL}
        try:
            wanted = seal_of(value, self.key(attempt))
        except RecursionError:
            return False
        return hmac.compare_digest(ascii(verdict.get(SEAL)), ascii(wanted))

    def _known(self) -> bytes:
        if not self._secret:
            self._secret = self._read() or self._make()
        return self._secret

    def _read(self) -> bytes:
        try:
            with open_plain(self._file) as file:
                return file.read(BYTES)
        except FileNotFoundError:
            return b""

    def _make(self) -> bytes:
        """Whole or not at all: of two that are made at once the first one stays."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        new = self._file.with_name(f"{self._file.name}.{secrets.token_hex(4)}.new")
        try:
            number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(number, "wb") as file:
                file.write(secrets.token_bytes(BYTES))
            os.link(new, self._file)
        except FileExistsError:
            pass
        finally:
            new.unlink(missing_ok=True)
        return self._read()
