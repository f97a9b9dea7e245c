"""`host.json` in the agent's home: which host this is, whose, and what its owner asks for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from duto_agent.host.launching import Identity


class NotConfigured(Exception):
    """host.json is missing or incomplete."""


@dataclass(frozen=True)
class HostConfig:
    """`host.json` in the agent's home."""

    studio: str
    name: str
    key: str
    redis_url: str | None = None
    store_marker: str | None = None
    data_dir: str | None = None
    bwrap: str | None = None
    limits: str | None = None
    folders: str | None = None
    step_users: str | None = None
    launcher: str | None = None
    engine: str | None = None
    base_image: str | None = None
    registry: str | None = None
    conda_image: str | None = None
    build_cache: str | None = None
    file_cache: str | None = None
    fuse: str | None = None
    slurm_options: str | None = None
    slurm_conf: str | None = None
    slurm_python: str | None = None
    installation: str | None = None

    def identity(self) -> Identity:
        """The installation by the id of its store, or by what the studio told at enrolment, or by its address."""
        address = hashlib.sha256(self.studio.rstrip("/").encode()).hexdigest()[:32]
        return Identity(self.installation or self.store_marker or address, self.name, self.studio)

    @classmethod
    def read(cls, home: Path, studio: str | None = None) -> HostConfig:
        try:
            given = json.loads((home / "host.json").read_text(encoding="utf-8"))
            known = {name: given.get(name) for name in cls.__dataclass_fields__}
        except (OSError, ValueError, AttributeError) as error:
            raise NotConfigured(f"{home / 'host.json'} cannot be read: {error}") from error
        known["studio"] = studio or known["studio"]
        missing = [name for name in ("studio", "name", "key") if not known[name]]
        if missing:
            raise NotConfigured(f"{home / 'host.json'} lacks {', '.join(missing)}.")
        return cls(**known)
