"""Images that are being made: who waits for one, how a person ends it, and what the studio hears of it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from msgspec import UNSET, structs

from duto.spec.sentences import Said, foreign, said
from duto_agent.environments.builder import BuildFailed
from duto_agent.studio.exchange import SendReport
from duto_agent.worded import words_of
from duto_protocol.messages import ImageReport, Progress
from duto_protocol.values import Moment

PROGRESS_S = 1.0
MESSAGE_MOST = 2000
BYTES = "bytes"


class Canceled(BuildFailed):
    """A person has ended the making of an image; `by` is who."""

    def __init__(self, message: Said, by: str) -> None:
        super().__init__(message)
        self.by = by


class SharedBuild:
    """One making of an image, with everybody who waits for it. A cancel ends it for all of them. It is a fetch of the image
    `fetched`, or a build."""

    def __init__(self, fetched: str | None = None) -> None:
        self.fetched, self.waiting = fetched, 0
        self.canceled_by: str | None = None
        self._end: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def cancel(self, by: str) -> None:
        with self._lock:
            self.canceled_by = by
            end = self._end
        if end is not None:
            end()

    def may_end_by(self, end: Callable[[], None]) -> None:
        """How a cancel stops it from here on; one that came before does so at once."""
        with self._lock:
            self._end = end
            is_late = self.canceled_by is not None
        if is_late:
            end()

    def check(self) -> None:
        """Raises Canceled once it was."""
        if self.canceled_by is not None:
            raise Canceled(self._canceled(self.canceled_by), self.canceled_by)

    def _canceled(self, by: str) -> Said:
        if self.fetched is None:
            return said("build_canceled_by", who=by) if by else said("build_canceled")
        name = self.fetched
        return said("fetch_canceled_by", name=name, who=by) if by else said("fetch_canceled", name=name)


class SharedBuilds:
    """The builds that somebody still waits for. Who asks after a cancel begins another one."""

    def __init__(self) -> None:
        self._rounds: list[tuple[str, SharedBuild]] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def asked(self, tag: str, fetched: str | None = None) -> Iterator[SharedBuild]:
        """Take part for the length of the block."""
        with self._lock:
            mine = next((each for each in self._of(tag) if each.canceled_by is None), None)
            if mine is None:
                mine = SharedBuild(fetched)
                self._rounds.append((tag, mine))
            mine.waiting += 1
        try:
            yield mine
        finally:
            with self._lock:
                mine.waiting -= 1
                if not mine.waiting:
                    self._rounds.remove((tag, mine))

    def cancel(self, tag: str, by: str) -> bool:
        """Whether there is one; one that was canceled already is just ending."""
        with self._lock:
            found = self._of(tag)
        for each in found:
            if each.canceled_by is None:
                each.cancel(by)
        return bool(found)

    def _of(self, tag: str) -> list[SharedBuild]:
        return [each for its, each in self._rounds if its == tag]


@dataclass(frozen=True)
class ImageBuild:
    """An image to be made: its name, the named parts that it is made of, and the attempt whose log tells of it."""

    tag: str
    recipe: Mapping[str, str]
    attempt: str


class ImageReporter:
    """Reports of images (docs/wire.md). May be repeated; a studio that is away is owed one word of progress at most."""

    def __init__(self, send_report: SendReport) -> None:
        self._send_report = send_report
        self._lock = threading.Lock()
        self._owed: set[str] = set()
        self._latest: dict[str, ImageReport] = {}  # reports of progress that were not told yet

    def building(self, making: ImageBuild) -> None:
        self._send_report(structs.replace(_report("building", making), at=Moment.present()), urgent=True)

    def progress(self, making: ImageBuild, done: int, total: int, text: str, unit: str = "steps") -> None:
        """Told at once, and then once a second what is new since; the last word is never lost."""
        report = structs.replace(_report("building", making), progress=Progress(done, total, text, unit))
        with self._lock:
            self._latest[making.tag] = report
            if making.tag in self._owed:
                return
            self._owed.add(making.tag)
        self._go_on(making.tag)

    def ready(self, making: ImageBuild, image_id: str, size: int, fetched: bool = False) -> None:
        self._forget(making.tag)
        self._send_report(structs.replace(_report("ready", making), image_id=image_id, size=size, fetched=fetched))

    def failed(self, making: ImageBuild, error: BaseException) -> None:
        self._forget(making.tag)
        message = words_of(error)
        words = message if len(message) <= MESSAGE_MOST else foreign(message[:MESSAGE_MOST])
        self._send_report(structs.replace(_report("failed", making), message=words), urgent=True)

    def removed(self, tag: str, heard: Callable[[], None] | None = None) -> None:
        self._send_report(ImageReport(event="removed", image=tag), heard=heard)

    def not_made(self, tag: str) -> None:
        """The answer to a cancel of what nobody makes here."""
        self._send_report(ImageReport(event="failed", image=tag, message=said("not_being_built")), urgent=True)

    def _go_on(self, tag: str) -> None:
        with self._lock:
            report = self._latest.pop(tag, None)
            if report is None:
                self._owed.discard(tag)
                return
        self._send_report(report, heard=lambda: self._rest(tag))

    def _rest(self, tag: str) -> None:
        timer = threading.Timer(PROGRESS_S, self._go_on, [tag])
        timer.daemon = True
        timer.start()

    def _forget(self, tag: str) -> None:
        with self._lock:
            self._latest.pop(tag, None)


def _report(event: str, making: ImageBuild) -> ImageReport:
    recipe = dict(making.recipe)
    return ImageReport(
        event=event,
        image=making.tag,
        attempt=making.attempt or UNSET,
        lock_digest=recipe.get("lock", ""),
        recipe=recipe,
    )
