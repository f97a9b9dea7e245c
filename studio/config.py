"""Everything that a studio can be told from outside, typed, and refused all at once with the reasons.

Plain dataclasses: this is read by every process at its start, where a library for it would cost a third of a second.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "DUTO_"
MEGABYTE = 1024 * 1024
# Nothing listens on port 1: wake-ups are lost at once, and the rows wait for the next start.
NO_BROKER = "redis://127.0.0.1:1/0"
# Under which names the clouds' own tools look for what `DUTO_ARTIFACT_STORE_*` does not say.
STANDARD = {
    "s3": {"key_id": "AWS_ACCESS_KEY_ID", "key": "AWS_SECRET_ACCESS_KEY", "token": "AWS_SESSION_TOKEN"},
    "azure": {"key": "AZURE_STORAGE_KEY", "token": "AZURE_STORAGE_SAS_TOKEN"},
}
YES, NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


class ConfigError(SystemExit):
    """The settings do not fit together; the message lists every reason."""


def setting(
    default: Any, about: str, at_least: int | None = None, at_most: int | None = None,
    one_of: tuple[str, ...] = (), starts: tuple[str, ...] = (),
) -> Any:  # fmt: skip
    """A field with its meaning and the values that it takes."""
    return field(
        default=default,
        metadata={"about": about, "at_least": at_least, "at_most": at_most, "one_of": one_of, "starts": starts},
    )


@dataclass(frozen=True)
class ArtifactStore:
    """What `DUTO_ARTIFACT_STORE` says, in the words of the kinds of datastores."""

    kind: str
    prefix: str
    options: Mapping[str, str]
    credentials: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True, repr=False)  # keys and passwords are among them
class Config:
    """The settings of one studio. Each is the environment variable of its name with `DUTO_` before it."""

    data_dir: Path = setting(ROOT / "var", "Folder of everything that this studio keeps.")
    database_url: str = setting(
        "", "`postgresql://user:password@host:port/name`. Empty: SQLite in the data directory.",
        starts=("postgresql://", "postgres://", "sqlite:///"),
    )  # fmt: skip
    database_pool: int = setting(10, "Most PostgreSQL connections of one process.", 1, 200)
    redis_url: str = setting(
        "", "`redis://` address of Valkey or Redis. Empty: `up` starts one of its own.",
        starts=("redis://", "rediss://"),
    )  # fmt: skip
    redis_bin: str = setting("", "Path of a valkey-server or redis-server for `up` to start.")
    secret_key: str = setting(
        "", "Signs sessions and links; 32 characters or more. Empty: made once, kept in the data directory."
    )
    old_secret_keys: str = setting(
        "",
        "Keys that `DUTO_SECRET_KEY` had before, separated by commas: secrets encrypted under them can still be read, and "
        "`manage.py keyvault-rotate` encrypts those under the present key. Sessions stay, too.",
    )
    host: str = setting("127.0.0.1", "Address to listen on.")
    port: int = setting(8000, "Port to listen on; 0 takes any.", 0, 65535)
    public_url: str = setting(
        "", "Address that browsers and agents use, such as `https://duto.example.org`.", starts=("http://", "https://")
    )
    allowed_hosts: str = setting(
        "", "Host names that are answered, separated by commas, besides those of `DUTO_PUBLIC_URL` and loopback."
    )
    trust_proxy: bool = setting(False, "True behind a reverse proxy that sets X-Forwarded-Proto and -For itself.")
    debug: bool = setting(False, "Django's debug pages. For development on loopback only.")
    artifact_store: str = setting(
        "",
        "Where the studio keeps files instead of its data directory, so that web and workers share no disk: "
        "`s3://bucket/prefix?endpoint=…&region=…&path_style=true` or `azure://container/prefix?account=…&endpoint=…` "
        "([artifact store](artifact-store.md)). Empty: the data directory.",
        starts=("s3://", "azure://"),
    )
    artifact_store_key_id: str = setting("", "Access key id for S3 there. Empty: `AWS_ACCESS_KEY_ID`.")
    artifact_store_key: str = setting(
        "", "Secret access key, or the account key of Azure. Empty: `AWS_SECRET_ACCESS_KEY` or `AZURE_STORAGE_KEY`."
    )
    artifact_store_token: str = setting(
        "", "Session token of S3, or a SAS token of Azure. Empty: `AWS_SESSION_TOKEN` or `AZURE_STORAGE_SAS_TOKEN`."
    )
    log_level: str = setting(
        "INFO", "How much the parts write to their logs.", one_of=("DEBUG", "INFO", "WARNING", "ERROR")
    )
    static_root: Path | None = setting(
        None, "Folder of collected static files. Empty: they are served from where they lie."
    )

    cran_url: str = setting(
        "https://cloud.r-project.org",
        "Address of CRAN, or of a mirror of it, from which hosts install the packages of R. A folder of theirs: `file:///path`.",
        starts=("https://", "http://", "file:///"),
    )
    user_python: str = setting(
        "", "Python for steps with user-managed dependencies. Empty: a bare virtual environment."
    )
    compute_policy: str = setting(
        "elastic",
        "A step that asks for more than any host has: `elastic` shrinks it with a warning, `strict` lets it wait.",
        one_of=("elastic", "strict"),
    )
    lease_seconds: int = setting(30, "How long an attempt may be silent before it counts as lost.", 3, 3600)
    worker_threads: int = setting(8, "Tasks that one worker process runs at the same time.", 1, 256)

    run_max_steps: int = setting(20_000, "Most steps of one run.", 1)
    snapshot_max_bytes: int = setting(300 * MEGABYTE, "Largest source folder of a step, in bytes.", 1)
    snapshot_max_files: int = setting(2000, "Most files in the source folder of a step.", 1)
    log_cap_bytes: int = setting(
        1024 * MEGABYTE, "Largest log of one attempt, in bytes; what is beyond is dropped, and told.", 1024
    )
    request_max_bytes: int = setting(10 * MEGABYTE, "Largest body of an ordinary request, in bytes.", 1024)
    upload_max_bytes: int = setting(10240 * MEGABYTE, "Largest file that may be uploaded, in bytes.", 1024)
    fetch_max_bytes: int = setting(2048 * MEGABYTE, "Largest file that is fetched from a web address, in bytes.", 1024)
    fetch_private: bool = setting(False, "Allows data from web addresses in private networks, and webhooks to them.")
    database_folders: str = setting(
        "",
        "Folders of the studio's machine, separated by colons, whose files of SQLite and DuckDB may be registered as datastores, in every workspace. Empty: none.",
    )
    fetch_seconds: int = setting(300, "How long one fetch from a web address may take.", 1)

    ca_file: Path | None = setting(
        None,
        "File of certificates (PEM) of authorities that are trusted besides the known ones, by mail, webhooks and web addresses.",
    )
    smtp_host: str = setting("", "Mail server by which notifications go. Empty: the studio sends no mail.")
    smtp_port: int = setting(587, "Its port.", 1, 65535)
    smtp_user: str = setting("", "Name with which the studio signs in there. Empty: without.")
    smtp_password: str = setting("", "Password of that name.")
    smtp_security: str = setting(
        "starttls",
        "How the way there is kept private: `starttls`, `tls` from the first byte, or `none`.",
        one_of=("starttls", "tls", "none"),
    )
    mail_from: str = setting(
        "", "Sender of mails, such as `Duto <duto@example.org>`. Empty: `duto` at the host of `DUTO_PUBLIC_URL`."
    )

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
    def running_url(self) -> str:
        """The same as it is now: `up` may have found the port taken, or been told another one."""
        if self.public_url:
            return self.public_url
        try:
            state = json.loads((self.data_dir / "run" / "state.json").read_text())
        except (OSError, ValueError):
            return self.url
        url = state.get("url") if isinstance(state, dict) else None
        return url if isinstance(url, str) and url else self.url

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

    @property
    def own_store(self) -> ArtifactStore:
        """The object store of the studio's own files. Raises ValueError that says what is wrong."""
        parts = urlsplit(self.artifact_store)
        is_s3, path = parts.scheme == "s3", [each for each in unquote(parts.path).split("/") if each]
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        given = dict(pairs)
        known = ("endpoint", "region", "path_style") if is_s3 else ("account", "endpoint")
        if "@" in parts.netloc:
            raise ValueError("has no credentials in it: set DUTO_ARTIFACT_STORE_KEY and its like")
        if not parts.netloc:
            raise ValueError(f"names no {'bucket' if is_s3 else 'container'}, such as {parts.scheme}://name/prefix")
        if parts.fragment or set(path) & {".", ".."}:
            raise ValueError("has a prefix of plain names with '/' between them")
        if wrong := sorted(set(given) - set(known)):
            raise ValueError(f"has no {wrong[0]!r}; it takes {', '.join(known)}")
        if len(pairs) > len(given):
            raise ValueError(f"names {next(name for name in given if [n for n, _ in pairs].count(name) > 1)!r} twice")
        if (
            (endpoint := given.get("endpoint", ""))
            and (is_s3 or ":" in endpoint)
            and not endpoint.startswith(("http://", "https://"))
        ):
            raise ValueError("has an endpoint that starts with neither http:// nor https://")
        if "://" in endpoint:
            where = urlsplit(endpoint)
            if "@" in where.netloc:
                raise ValueError("has no credentials in its endpoint: set DUTO_ARTIFACT_STORE_KEY and its like")
            if not where.hostname:
                raise ValueError("has an endpoint without a host")
            try:
                is_port = where.port != 0
            except ValueError:
                is_port = False
            if not is_port:
                raise ValueError("has an endpoint whose port is no number from 1 to 65535")
        if is_s3 and ":" in parts.netloc:
            raise ValueError("has a bucket without a port: a server is named by ?endpoint=http://host:port")
        if given.get("path_style", "").lower() not in (*YES, *NO):
            raise ValueError("has a path_style that is neither true nor false")
        if not is_s3 and not given.get("account"):
            raise ValueError("names no account: add ?account=NAME")
        key_id, key, token = self.artifact_store_key_id, self.artifact_store_key, self.artifact_store_token
        if is_s3 and not (key_id and key):
            raise ValueError("needs DUTO_ARTIFACT_STORE_KEY_ID and DUTO_ARTIFACT_STORE_KEY")
        if not is_s3 and bool(key) == bool(token):
            raise ValueError("needs either DUTO_ARTIFACT_STORE_KEY or DUTO_ARTIFACT_STORE_TOKEN")
        if is_s3:
            names = {"access_key_id": key_id, "secret_access_key": key, "session_token": token}
            if given.get("path_style", "").lower() in NO:
                given.pop("path_style", None)
            return ArtifactStore("s3", "/".join(path), {**given, "bucket": parts.netloc}, names)
        names = {"account_key": key, "sas_token": token}
        return ArtifactStore("azure_blob", "/".join(path), {**given, "container": parts.netloc}, names)

    @property
    def old_secrets(self) -> list[str]:
        """The signing keys that there were before."""
        return [key for each in self.old_secret_keys.split(",") if (key := each.strip())]


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


def load(environ: Mapping[str, str] | None = None) -> Config:
    """Read the environment, or end with every reason on its own line."""
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for each in fields(Config):
        name = PREFIX + each.name.upper()
        text = environ.get(name, "").strip()
        if not text:
            continue
        try:
            values[each.name] = parse(each, text)
        except ValueError as error:
            wrong.append(f"{name}: {error}")
    for part, standard in STANDARD.get(values.get("artifact_store", "").partition(":")[0], {}).items():
        name = f"artifact_store_{part}"
        values[name] = values.get(name) or environ.get(standard, "").strip()
    config = Config(**values)
    wrong += insecure(config, bool(environ.get("DUTO_EMBEDDED")))
    if wrong:
        raise ConfigError("The settings of this studio are not usable:\n" + "\n".join(f"  - {one}" for one in wrong))
    return config


def parse(each: Field[Any], text: str) -> Any:
    """A value of the field's type, within its bounds; ValueError says what would be right."""
    rules = each.metadata
    if isinstance(each.default, bool):
        if text.lower() not in (*YES, *NO):
            raise ValueError("must be true or false")
        return text.lower() in YES
    if isinstance(each.default, int):
        return number(text, rules["at_least"], rules["at_most"])
    if "Path" in str(each.type):
        # A relative folder would move with the directory that each part starts in.
        return Path(text).expanduser().absolute()
    if rules["one_of"] and text not in rules["one_of"]:
        raise ValueError(f"must be one of {', '.join(rules['one_of'])}")
    if rules["starts"] and not text.startswith(rules["starts"]):
        raise ValueError(f"must start with {' or '.join(rules['starts'])}")
    return text.rstrip("/") if each.name == "public_url" else text


def number(text: str, at_least: int | None, at_most: int | None) -> int:
    """A whole number within its bounds."""
    try:
        value = int(text)
    except ValueError:
        raise ValueError("must be a whole number") from None
    if at_least is not None and value < at_least:
        raise ValueError(f"must be {at_least} or more")
    if at_most is not None and value > at_most:
        raise ValueError(f"must be {at_most} or less")
    return value


def insecure(config: Config, embedded: bool) -> list[str]:
    """Combinations that would be open to others, or could not work."""
    wrong: list[str] = []
    if config.secret_key and len(config.secret_key) < 32:
        wrong.append("DUTO_SECRET_KEY: is shorter than 32 characters")
    if any(len(key) < 32 for key in config.old_secrets):
        wrong.append("DUTO_OLD_SECRET_KEYS: one of them is shorter than 32 characters")
    if config.debug and not config.is_loopback:
        wrong.append("DUTO_DEBUG: may not be on while DUTO_HOST is not a loopback address")
    if config.smtp_user and config.smtp_security == "none":
        wrong.append(
            "DUTO_SMTP_SECURITY: may not be none while DUTO_SMTP_USER is set: the password would travel in clear"
        )
    for folder in filter(None, config.database_folders.split(":")):
        if not Path(folder).is_absolute():
            wrong.append(f"DUTO_DATABASE_FOLDERS: {folder!r} is no whole path of a folder")
    if config.ca_file is not None and (why := _unread(config.ca_file)):
        wrong.append(f"DUTO_CA_FILE: {why}")
    if any(letter in config.mail_from for letter in "\r\n") or (config.mail_from and "@" not in config.mail_from):
        wrong.append("DUTO_MAIL_FROM: must be an address, such as Duto <duto@example.org>")
    if config.artifact_store:
        try:
            _ = config.own_store
        except ValueError as error:
            wrong.append(f"DUTO_ARTIFACT_STORE: {error}")
        if not config.secret_key and not config.uses_sqlite:
            wrong.append(
                "DUTO_SECRET_KEY: is needed with DUTO_ARTIFACT_STORE: processes that share no folder share this key"
            )
    if not config.uses_sqlite and not embedded and config.broker_url == NO_BROKER:
        wrong.append("DUTO_REDIS_URL: is needed, since DUTO_DATABASE_URL names a server")
    return wrong


def _unread(ca_file: Path) -> str:
    """Why a file gives no certificates; empty where it does."""
    import ssl  # few studios name one

    try:
        return (
            "" if ssl.create_default_context(cafile=ca_file).get_ca_certs() else "holds no certificate of an authority"
        )
    except ssl.SSLError:
        return "holds no certificates in PEM"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
