"""Everything that a studio can be told from outside, typed, and refused all at once with the reasons."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
MEGABYTE = 1024 * 1024
# Nothing listens on port 1: bells are lost at once, and the rows wait for the next start.
NO_BROKER = "redis://127.0.0.1:1/0"


class ConfigError(SystemExit):
    """The settings do not fit together; the message lists every reason."""


class Config(BaseSettings):
    """The settings of one studio. Each is the environment variable of its name with `DUTO_` before it."""

    model_config = SettingsConfigDict(env_prefix="DUTO_", extra="ignore", hide_input_in_errors=True)

    data_dir: Path = Field(ROOT / "var", description="Folder of everything that this studio keeps.")
    database_url: str = Field(
        "", description="`postgresql://user:password@host:port/name`. Empty: SQLite in the data directory."
    )
    database_pool: int = Field(10, ge=1, le=200, description="Most PostgreSQL connections of one process.")
    redis_url: str = Field("", description="`redis://` address of Valkey or Redis. Empty: `up` starts one of its own.")
    redis_bin: str = Field("", description="Path of a valkey-server or redis-server for `up` to start.")
    secret_key: str = Field(
        "", description="Signs sessions and links; 32 characters or more. Empty: made once, kept in the data directory."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    public_url: str = Field("", description="Address that browsers and agents use, such as `https://duto.example.org`.")
    allowed_hosts: str = Field(
        "", description="Host names that are answered, separated by commas, besides those of `public_url` and loopback."
    )
    trust_proxy: bool = Field(
        False, description="True behind a reverse proxy that sets X-Forwarded-Proto and -For itself."
    )
    debug: bool = Field(False, description="Django's debug pages. For development on loopback only.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="How much the parts write to their logs."
    )

    static_root: Path | None = Field(
        None, description="Folder of collected static files. Empty: served from where they lie."
    )
    user_python: str = Field(
        "", description="Python for steps with user-managed dependencies. Empty: a bare virtual environment."
    )
    compute_policy: Literal["elastic", "strict"] = Field(
        "elastic",
        description="A step that asks for more than any host has: `elastic` shrinks it with a warning, `strict` lets it wait.",
    )
    lease_seconds: int = Field(
        30, ge=3, le=3600, description="How long an attempt may be silent before it counts as lost."
    )
    worker_threads: int = Field(8, ge=1, le=256, description="Tasks that one worker process runs at the same time.")

    snapshot_max_bytes: int = Field(300 * MEGABYTE, ge=1, description="Largest source folder of a step, in bytes.")
    snapshot_max_files: int = Field(2000, ge=1, description="Most files in the source folder of a step.")
    log_cap_bytes: int = Field(
        1024 * MEGABYTE,
        ge=1024,
        description="Largest log of one attempt, in bytes; what is beyond is dropped, and told.",
    )
    request_max_bytes: int = Field(10 * MEGABYTE, ge=1024, description="Largest body of an ordinary request, in bytes.")
    upload_max_bytes: int = Field(
        10 * 1024 * MEGABYTE, ge=1024, description="Largest file that may be uploaded, in bytes."
    )
    fetch_max_bytes: int = Field(
        2 * 1024 * MEGABYTE, ge=1024, description="Largest file that is fetched from a web address, in bytes."
    )
    fetch_private: bool = Field(False, description="Allows data from web addresses in private networks.")
    fetch_seconds: int = Field(300, ge=1, description="How long one fetch from a web address may take.")

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        """A relative folder would move with the directory that each part starts in."""
        return value.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not value.startswith(("postgresql://", "postgres://", "sqlite:///")):
            raise ValueError("must start with postgresql:// or sqlite:///")
        return value

    @field_validator("redis_url")
    @classmethod
    def _known_broker(cls, value: str) -> str:
        if value and not value.startswith(("redis://", "rediss://")):
            raise ValueError("must start with redis:// or rediss://")
        return value

    @field_validator("public_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _secure(self) -> Config:
        """Refuse what would be open to others, and say all of it in one go."""
        wrong: list[str] = []
        if self.secret_key and len(self.secret_key) < 32:
            wrong.append("DUTO_SECRET_KEY is shorter than 32 characters")
        if self.debug and not self.is_loopback:
            wrong.append("DUTO_DEBUG may not be on while DUTO_HOST is not a loopback address")
        if self.database_url.startswith("postgres") and not self.redis_url and not os.environ.get("DUTO_EMBEDDED"):
            wrong.append("DUTO_DATABASE_URL names a server, so DUTO_REDIS_URL is needed, too")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can reach the studio."""
        return self.host in ("127.0.0.1", "::1", "localhost")

    @property
    def uses_sqlite(self) -> bool:
        """True when the database is a file of the data directory."""
        return not self.database_url or self.database_url.startswith("sqlite:///")

    @property
    def sqlite_path(self) -> Path:
        """Where the SQLite file lies."""
        if self.database_url.startswith("sqlite:///"):
            return Path(self.database_url.removeprefix("sqlite:///"))
        return self.data_dir / "db.sqlite3"

    @property
    def url(self) -> str:
        """The address to give to people and agents."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "localhost") else self.host  # noqa: S104 - compared, not bound
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def broker_url(self) -> str:
        """The broker that was named, or the one that `up` started on this data directory."""
        if self.redis_url:
            return self.redis_url
        try:
            return (self.data_dir / "run" / "broker").read_text().strip()
        except OSError:
            return NO_BROKER

    def read_secret(self) -> str:
        """The signing key: given, or made once and kept readable for this user alone."""
        if self.secret_key:
            return self.secret_key
        path = self.data_dir / "secret"
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            return _make_secret(path)


def _make_secret(path: Path) -> str:
    """Create the key exclusively, so that two starting parts agree on one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".secret-{os.getpid()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
    try:
        # A link either takes the name whole or finds it taken.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()


def load() -> Config:
    """Read the environment, or end with every reason on its own line."""
    try:
        return Config()
    except ValidationError as error:
        reasons = [_reason(item["loc"], item["msg"]) for item in error.errors()]
        raise ConfigError(
            "The settings of this studio are not usable:\n" + "\n".join(f"  - {r}" for r in reasons)
        ) from None


def _reason(place: tuple[int | str, ...], message: str) -> str:
    """One reason in the words of the environment variable that it is about."""
    text = message.removeprefix("Value error, ")
    return f"DUTO_{str(place[0]).upper()}: {text}" if place else text.replace("; ", "\n  - ")
