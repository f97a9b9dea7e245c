"""Folders of a server that is reached by SSH (SFTP)."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import Conflict, Invalid, StudioError
from core.objects import checked
from core.storage import Stored
from datasets import guard
from datasets.kinds import azure
from datasets.kinds.base import Connection, Field, Kind, of_server, refused, require_one

if TYPE_CHECKING:
    from paramiko import SFTPClient

PIECE, WINDOW = 1 << 15, 4 << 20
IDLE = 4


class Folder:
    """`core.objects.Objects` over one folder of the server. A connection serves one question at a time."""

    def __init__(self, place: Connection) -> None:
        self.place, self.store = place, place.name
        self.base = place["path"].rstrip("/") or ("/" if place["path"].startswith("/") else ".")
        self._idle: list[SFTPClient] = []
        self._turn = threading.Lock()

    def stat(self, key: str) -> Stored | None:
        with self._client() as client:
            try:
                found = client.stat(self._full(key))
            except (FileNotFoundError, NotADirectoryError):
                return None
            return _stored(key, found) if stat.S_ISREG(found.st_mode or 0) else None

    def walk(self, folder: str) -> Iterator[Stored]:
        with self._client() as client:
            found = list(self._below(client, folder))
        yield from sorted(found, key=lambda each: each.path)

    def _below(self, client: SFTPClient, folder: str) -> Iterator[Stored]:
        for name, facts in self._entries(client, folder):
            key = f"{folder}/{name}" if folder else name
            if stat.S_ISDIR(facts.st_mode or 0):
                yield from self._below(client, key)
            elif stat.S_ISLNK(facts.st_mode or 0):
                with contextlib.suppress(FileNotFoundError):  # a link to a folder is not gone into: it may lead back
                    real = client.stat(self._full(key))
                    if stat.S_ISREG(real.st_mode or 0):
                        yield _stored(key, real)
            elif stat.S_ISREG(facts.st_mode or 0):
                yield _stored(key, facts)

    def children(self, folder: str) -> Iterator[tuple[str, bool, int]]:
        with self._client() as client:
            for name, facts in self._entries(client, folder):
                mode = facts.st_mode or 0
                if stat.S_ISLNK(mode):
                    with contextlib.suppress(FileNotFoundError):
                        facts = client.stat(self._full(f"{folder}/{name}" if folder else name))
                        mode = facts.st_mode or 0
                if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
                    yield name, stat.S_ISDIR(mode), 0 if stat.S_ISDIR(mode) else int(facts.st_size or 0)

    def _entries(self, client: SFTPClient, folder: str) -> Iterator[tuple[str, Any]]:
        try:
            found = client.listdir_attr(self._full(folder))  # not one by one: others are asked meanwhile
        except (FileNotFoundError, NotADirectoryError):
            if not folder:
                raise refused(self.store, "container", "store_container", container=self.base) from None
            return
        for each in found:
            yield checked(each.filename), each

    def read(self, key: str, start: int, tag: str) -> Iterator[bytes]:
        with self._client() as client:
            try:
                file = client.open(self._full(key), "rb")
            except FileNotFoundError:
                raise refused(self.store, "answer", "store_no_file", path=key) from None
            with file:
                size = int(file.stat().st_size or 0)
                # Many requests are on their way at once, and no more than a window of them: memory stays small.
                left = size - start
                for window in range(start, size, WINDOW):
                    places = range(window, min(window + WINDOW, size), PIECE)
                    for piece in file.readv([(place, min(PIECE, size - place)) for place in places]):
                        left -= len(piece)
                        try:
                            yield piece
                        except GeneratorExit:
                            if left > 0:
                                raise
                            return  # whoever has all of it asks for no more, and the connection serves the next

    def write(self, key: str, source: BinaryIO, size: int, *, overwrite: bool) -> None:
        target = self._full(key)
        parent = target.rpartition("/")[0]
        part = f"{parent}/.duto-part-{os.urandom(8).hex()}"
        with self._client() as client:
            self._make(client, parent)
            try:
                client.putfo(source, part, confirm=True)
                if overwrite:
                    client.posix_rename(part, target)
                    return
                try:
                    client.rename(part, target)  # of the protocol's third version: fails where there is a file
                except OSError as error:
                    text = _("%(key)r exists already. Say overwrite to replace it.") % {"key": key}
                    raise Conflict(text, code="exists") from error
            finally:
                with contextlib.suppress(OSError):
                    client.remove(part)

    def _make(self, client: SFTPClient, folder: str) -> None:
        if not folder or folder in (".", "/"):
            return
        try:
            client.stat(folder)
        except FileNotFoundError:
            self._make(client, folder.rpartition("/")[0])
            with contextlib.suppress(OSError):  # somebody else may have made it now
                client.mkdir(folder)

    def remove(self, key: str) -> None:
        with self._client() as client, contextlib.suppress(FileNotFoundError):
            client.remove(self._full(key))

    def remove_folder(self, folder: str) -> None:
        with self._client() as client:
            self._remove_below(client, folder)

    def _remove_below(self, client: SFTPClient, folder: str) -> None:
        for name, facts in self._entries(client, folder):
            if stat.S_ISDIR(facts.st_mode or 0):
                self._remove_below(client, f"{folder}/{name}")
        with contextlib.suppress(OSError):  # somebody may have put a file there by now
            client.rmdir(self._full(folder))

    def copy(self, key: str, to: str) -> None:
        with azure.spooled(self.read(key, 0, "")) as spool:
            self.write(to, spool, 0, overwrite=True)

    def check(self) -> None:
        """Raises StoreError where the folder cannot be read."""
        next(self.children(""), None)

    def make(self) -> None:
        with self._client() as client:
            self._make(client, self.base)

    def _full(self, key: str) -> str:
        return f"{self.base.rstrip('/')}/{key}" if key else self.base

    @contextlib.contextmanager
    def _client(self) -> Iterator[SFTPClient]:
        """A connection of one's own for the block; one that failed is not used again."""
        import paramiko

        host = self.place["host"]
        with self._turn:
            client = self._idle.pop() if self._idle else None
        try:
            if client is None or not _is_alive(client):
                client = self._connect()
            yield client
        except (StudioError, FileNotFoundError):
            self._give_back(client)
            raise
        except GeneratorExit:  # a reader that was left: answers to it may still come
            if client is not None:
                client.close()
            raise
        except PermissionError as error:
            self._give_back(client)
            raise refused(self.store, "permission", "store_permission", why=str(error.strerror or error)) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            if client is not None:
                client.close()
            raise refused(
                self.store, "network", "store_network", host=host, why=str(error) or type(error).__name__
            ) from error
        self._give_back(client)

    def _give_back(self, client: SFTPClient | None) -> None:
        with self._turn:
            if client is not None and len(self._idle) < IDLE:
                self._idle.append(client)
                return
        if client is not None:
            client.close()

    def _connect(self) -> SFTPClient:
        import paramiko

        host, port = self.place["host"], int(self.place["port"] or 22)
        transport = paramiko.Transport(guard.connect(host, port))
        transport.banner_timeout = transport.auth_timeout = guard.CONNECT_SECONDS
        try:
            transport.start_client(timeout=guard.CONNECT_SECONDS)
            key = transport.get_remote_server_key()
            shown = f"{key.get_name()} {key.get_base64()}"
            if shown not in _known_keys(self.place["host_key"]):
                raise refused(self.store, "sign_in", "store_host_key", host=host, key=shown)
            user = self.place["username"]
            try:
                if self.place.secret("private_key"):
                    transport.auth_publickey(user, _key(self.place))
                else:
                    transport.auth_password(user, self.place.secret("password"))
            except paramiko.AuthenticationException as error:
                # So paramiko calls it as well when the server hung up, or took too long: nothing was refused.
                if not transport.is_active() or "timeout" in str(error):
                    raise refused(self.store, "network", "store_network", host=host, why=str(error)) from error
                raise refused(self.store, "sign_in", "store_sign_in", why=user) from error
            client = paramiko.SFTPClient.from_transport(transport)
            assert client is not None
            channel = client.get_channel()
            assert channel is not None
            channel.settimeout(guard.READ_SECONDS)
            return client
        except BaseException:
            transport.close()
            raise


def _is_alive(client: SFTPClient) -> bool:
    channel = client.get_channel()
    transport = channel.get_transport() if channel is not None else None
    return transport is not None and transport.is_active() and not channel.closed


def _stored(key: str, found: Any) -> Stored:
    return Stored(key, int(found.st_size or 0), float(found.st_mtime or 0))


def _known_keys(text: str) -> set[str]:
    """Each line as `ssh-keyscan` and files of known hosts have it, with or without the host before it."""
    found = set()
    for line in text.splitlines():
        words = line.split()
        start = next((place for place, word in enumerate(words) if word.startswith(("ssh-", "ecdsa-", "sk-"))), None)
        if start is not None and len(words) > start + 1 and not line.startswith("#"):
            found.add(f"{words[start]} {words[start + 1]}")
    return found


def _key(place: Connection) -> Any:
    import paramiko

    text, phrase = place.secret("private_key").replace("\r\n", "\n").strip() + "\n", place.secret("passphrase") or None
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text), phrase)
        except (paramiko.SSHException, ValueError):
            continue
    raise refused(place.name, "sign_in", "store_private_key")


def check(place: Connection) -> None:
    """Raises Invalid."""
    require_one(place, "password", "private_key")
    if not place["port"].isdecimal() and place["port"]:
        raise Invalid(_("A port is a number."), code="bad_option")
    if place["port"] and not 0 < int(place["port"]) < 1 << 16:
        raise Invalid(_("A port is a number from 1 to 65535."), code="bad_option")
    if not _known_keys(place["host_key"]):
        raise Invalid(
            _("The host key is a line such as “ssh-ed25519 AAAA…”, as ssh-keyscan prints it."), code="bad_option"
        )


KIND = Kind(
    "sftp",
    gettext_lazy("SFTP folder"),
    "Sftp",
    options=(
        Field("host", gettext_lazy("Host"), True),
        Field("port", gettext_lazy("Port"), default="22"),
        Field("username", gettext_lazy("User"), True),
        Field("path", gettext_lazy("Folder"), help=gettext_lazy("empty for where the user begins")),
        Field("host_key", gettext_lazy("Host key"), True, help=gettext_lazy("as “ssh-keyscan HOST” prints it, so that no other server can stand in for it"), is_long=True),
    ),
    credentials=(
        Field("password", gettext_lazy("Password")),
        Field("private_key", gettext_lazy("Private key"), help=gettext_lazy("instead of a password"), is_long=True),
        Field("passphrase", gettext_lazy("Passphrase of the private key")),
    ),
    files=Folder,
    extra="sftp",
    modules=("paramiko",),
    check=check,
    address=of_server(22),
)  # fmt: skip
