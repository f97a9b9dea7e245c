"""Files of a store that is reached over a network, as a root of the storage module.

A kind of store gives `Objects`: a handful of questions in the store's own words. What they have in common is done here once:
folders that are no more than the names below them, readers that go on where a connection broke, uploads in bounded memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar, cast

from django.utils.translation import gettext as _

from core.errors import Invalid, NotFound, StudioError, Unprocessable
from core.observations import require_no_lock
from core.pieces import PieceReader
from core.storage import CHUNK, OWN_STORE, PART, Part, Root, Stored, Written, refuse_another_digest, safe
from duto.spec import trees
from duto.spec.filenames import spelled
from duto_protocol.meters import Meter

T = TypeVar("T")
# How often reading one file goes on after a break, and the seconds before it does.
RESUMES, PAUSE = 4, 0.5
# How many files are sent at a time.
AT_ONCE = 8
TICK_S = 0.5


def version_of(size: int, modified: float, tag: str) -> str:
    """What tells the content of a file on a far store from what lies there at another time, as well as that store can."""
    return tag or f"{size}-{modified:.3f}"


# Many stores tell times in whole seconds: what is written so often within one looks the same, unless they tell a tag too.
COARSE_S = 2.0
# Clocks of machines that write files differ by less.
SKEW_S = 86_400.0


def is_fleeting(modified: float, tag: str, looked_at: float) -> bool:
    """Whether another content of the same size may still come to look like what was seen then: without a tag, and in whole seconds
    of which the last is not over. All are seconds since 1970."""
    return not tag and modified.is_integer() and looked_at - COARSE_S < modified <= looked_at + SKEW_S


def at_once(jobs: Sequence[Callable[[], None]], tick: Callable[[], None] | None = None) -> None:
    """Do them all, several at a time: most of a small file's way is waiting. `tick` is called now and then meanwhile, in the thread
    of the caller. Raises the first error, which may be of `tick`; the rest is left. Where there is a `tick`, what has begun by then
    is not waited for: a store that keeps silent would hold the caller for minutes."""
    threads = ThreadPoolExecutor(AT_ONCE, "stores")
    try:
        doing = [threads.submit(each) for each in jobs]
        due = time.monotonic() + TICK_S
        for each in doing:
            while tick is not None:
                is_done = bool(wait([each], max(0.0, due - time.monotonic())).done)
                if time.monotonic() >= due:
                    tick()
                    due = time.monotonic() + TICK_S
                if is_done:
                    break
            each.result()
    finally:
        threads.shutdown(wait=tick is None, cancel_futures=True)


class StoreError(Unprocessable):
    """A store did not do what it was asked. `facts["stage"]`: how far it came (`name`, `network`, `sign_in`, `permission`,
    `container`, `answer`)."""

    default_code = "store_failed"


class StoreAway(StoreError):
    """It may be better in a moment: the network, a limit of calls, a fault of the store's own."""

    status = 503
    default_code = "store_away"


class StoreRefused(StoreError):
    """It takes the credentials not, or not for this: waiting helps nobody."""

    default_code = "store_refused"


def is_own_away(error: BaseException) -> bool:
    """Whether it is the object store of the studio's own files that does not answer, or refuses the studio: what an agent brings
    may be kept once that is mended."""
    facts = error.facts.get("said", {}).get("facts", {}) if isinstance(error, StoreAway | StoreRefused) else {}
    return bool(facts.get("store") == OWN_STORE)


class Objects(Protocol):
    """What a kind of store can do. Keys are relative, as `core.storage.safe` gives them; all raise StoreError."""

    def stat(self, key: str) -> Stored | None:
        """The file of this very key; None where there is none, also where there is a folder."""

    def walk(self, folder: str) -> Iterator[Stored]:
        """All files below a folder (empty: the whole store), page by page, in the order of their keys."""

    def children(self, folder: str) -> Iterator[tuple[str, bool, int]]:
        """One level of a folder, page by page: (name, is a folder, size)."""

    def read(self, key: str, start: int, tag: str) -> Iterator[bytes]:
        """The bytes from `start` on. `tag`: the content that is meant, where the store can hold to it.

        Raises Changed where it has another by now.
        """

    def write(self, key: str, source: BinaryIO, size: int, *, overwrite: bool) -> None:
        """Write a whole file: readers see what was there before or all of it. Raises Conflict."""

    def remove(self, key: str) -> None:
        """Remove a file; nothing to remove is fine."""

    def remove_folder(self, folder: str) -> None:
        """What marks a folder, and those in it, once its files are gone; nothing in stores that know no folders."""

    def copy(self, key: str, to: str) -> None:
        """The same bytes under another key, without coming through here where the store can."""


class ObjectRoot(Root):
    """A root over `Objects`."""

    def __init__(self, objects: Objects, meter: Meter | None = None) -> None:
        self._objects, self._meter, self.base = objects, meter, ""

    def metered(self, meter: Meter) -> ObjectRoot:
        """The same root; the meter counts the files that it adopts, as they go."""
        return type(self)(self._objects, meter)

    @property
    def objects(self) -> Objects:
        """What is asked over a network, so under no lock."""
        require_no_lock()
        return self._objects

    @property
    def local(self) -> Path | None:
        return None

    def full(self, key: str) -> str:
        return safe(key)

    def exists(self, key: str) -> bool:
        return self.is_file(key) or self.is_folder(key)

    def is_folder(self, key: str) -> bool:
        return next(iter(self.objects.children(safe(key))), None) is not None

    def is_file(self, key: str) -> bool:
        return bool(key) and self.objects.stat(safe(key)) is not None

    def touch(self, key: str) -> bool:
        return self.exists(key)

    def modified(self, key: str) -> float:
        return self.stored(key).modified

    def size(self, key: str) -> int:
        return self.stored(key).size

    def stored(self, key: str) -> Stored:
        """What the store tells of a file. Raises NotFound."""
        found = self.objects.stat(safe(key)) if key else None
        if found is None:
            raise NotFound(_("There is no file %(key)r.") % {"key": key})
        return found

    def state(self, key: str) -> tuple[int, str] | None:
        found = self.objects.stat(safe(key)) if key else None
        return None if found is None else (found.size, found.tag)

    def open(self, key: str) -> BinaryIO:
        return self.open_stored(self.stored(key))

    def open_stored(self, file: Stored) -> BinaryIO:
        """A file that was asked about just now: of another content it is no more read."""
        return cast(BinaryIO, io.BufferedReader(_Reader(self.objects, file), CHUNK))

    @contextlib.contextmanager
    def beside(
        self, key: str, source: BinaryIO, *, overwrite: bool = True, digest: str | None = None
    ) -> Iterator[Part]:
        """On this machine's disk first: what is sent is whole, and known by its digest."""
        self.refuse_taken(key, overwrite)
        with tempfile.TemporaryFile() as spool:
            seen, size = hashlib.sha256(), 0
            while chunk := source.read(CHUNK):
                spool.write(chunk)
                seen.update(chunk)
                size += len(chunk)
            refuse_another_digest(seen.hexdigest(), digest)
            spool.seek(0)
            yield _Spooled(self, "", safe(key), overwrite, Written(size, seen.hexdigest()), cast(BinaryIO, spool))

    def move(self, key: str, to: str) -> None:
        self.objects.copy(safe(key), safe(to))
        self.objects.remove(safe(key))

    def walk(self, prefix: str = "") -> Iterator[Stored]:
        key = safe(prefix)
        if key and (found := self.objects.stat(key)) is not None:
            yield found
            return
        for each in self.objects.walk(key):
            if not PART.fullmatch(each.path.rpartition("/")[2]):
                yield each

    def list(self, prefix: str = "", most: int | None = None) -> Iterator[tuple[str, bool, int]]:
        key = safe(prefix)
        found = [each for each in itertools.islice(self.objects.children(key), most) if not PART.fullmatch(each[0])]
        if not found and key:
            raise NotFound(_("There is no folder %(prefix)r.") % {"prefix": prefix})
        yield from sorted(found, key=lambda each: (not each[1], each[0].lower()))

    def remove(self, key: str) -> None:
        """A folder page by page. The keys are taken first: a listing does not follow what is removed under it."""
        if self.is_file(key):
            self.objects.remove(safe(key))
            return
        while held := [each.path for each in itertools.islice(self.objects.walk(safe(key)), 1000)]:
            for each in held:
                self.objects.remove(each)
        if key:
            self.objects.remove_folder(safe(key))

    def adopt(self, source: Path, key: str) -> None:
        """What a failed upload leaves of a folder is overwritten by the next one; the source goes last."""
        if source.is_file():
            self._send(source, safe(key))
            source.unlink()
            return
        files = [(Path(file), safe(f"{key}/{spelled(name)}")) for name, file in trees.files(source)]
        at_once([partial(self._send, file, place) for file, place in files])
        trees.remove(source)

    def each(self, ask: Callable[[str], T], keys: Iterable[str]) -> Sequence[T]:
        """Several at a time."""
        require_no_lock()
        with ThreadPoolExecutor(AT_ONCE, "stores") as threads:
            return list(threads.map(ask, keys))

    def bytes_below(self) -> int:
        return sum(each.size for each in self.walk())

    def _send(self, source: Path, key: str) -> None:
        with source.open("rb") as reader:
            size = source.stat().st_size
            counted = reader if self._meter is None else cast(BinaryIO, _Counted(reader, self._meter.add))
            self.objects.write(key, counted, size, overwrite=True)
        found = self.objects.stat(key)
        if found is None or found.size != size:
            raise StoreAway(
                _("'%(key)s' did not arrive whole: %(found)s of %(size)s bytes are there.")
                % {"key": key, "found": found.size if found else 0, "size": size},
                stage="answer",
            )
        if self._meter is not None:
            self._meter.file()


@dataclass(frozen=True)
class _Spooled(Part):
    spool: BinaryIO = field(default_factory=io.BytesIO)

    def take_place(self) -> None:
        assert isinstance(self.root, ObjectRoot)
        self.spool.seek(0)
        self.root.objects.write(self.key, self.spool, self.written.size, overwrite=self.overwrite)


class _Counted(io.BufferedIOBase):
    """A file that tells of each byte that is read of it for the first time: what is sent again is not new."""

    def __init__(self, inner: BinaryIO, count: Callable[[int], None]) -> None:
        self._inner, self._tell, self._seen = inner, count, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        found = self._inner.read(-1 if size is None else size)
        if (news := self._inner.tell() - self._seen) > 0:
            self._seen += news
            self._tell(news)
        return found

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        return self._inner.tell()


class _Reader(PieceReader):
    """One file: by one answer as long as it is read on, by range after a seek and after a break."""

    def __init__(self, objects: Objects, file: Stored) -> None:
        super().__init__()
        self._objects, self._file = objects, file
        self._pieces: Iterator[bytes] | None = None
        # How often it broke; where the answer goes on.
        self._resumes, self._goes_on = 0, 0

    @property
    def size(self) -> int:
        return self._file.size

    def _next(self) -> bytes:
        """After a break from where it broke. Raises StoreError once it broke too often."""
        if self._goes_on != self._at:
            self._drop()
        while self._at < self.size:
            try:
                if self._pieces is None:
                    self._pieces = iter(self._objects.read(self._file.path, self._at, self._file.tag))
                if piece := next(self._pieces, b"")[: self.size - self._at]:
                    self._goes_on = self._at + len(piece)
                    return piece
                raise StoreAway(
                    _("'%(key)s' ended after %(at)s of %(size)s bytes.")
                    % {"key": self._file.path, "at": self._at, "size": self._file.size},
                    stage="answer",
                )
            except StoreAway:
                self._drop()
                self._resumes += 1
                if self._resumes > RESUMES:
                    raise
                time.sleep(PAUSE * self._resumes)
        return b""

    def _drop(self) -> None:
        if self._pieces is not None and hasattr(self._pieces, "close"):
            self._pieces.close()
        self._pieces = None

    def close(self) -> None:
        self._drop()
        super().close()


def odd_name(key: str) -> StudioError:
    """A name that the store allows and no path here can have."""
    return Invalid(
        _(
            "The store has a file named %(key)s, which no path can name: an empty part, '.' or '..' between slashes. "
            "Rename it, or name a folder that does not hold it."
        )
        % {"key": ascii(key)[:200]},
        code="odd_name",
    )


def checked(key: str) -> str:
    """The key of a listed file. Raises Invalid for one that could not be asked for again."""
    try:
        is_plain = safe(key) == key
    except StudioError:
        is_plain = False
    if not is_plain:
        raise odd_name(key)
    return key
