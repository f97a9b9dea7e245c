"""No thread of the agent dies of one attempt, and no attempt stops another."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from duto.spec.sentences import foreign
from duto_agent.attempt.shim_notifications import ShimNotifications
from duto_agent.build_job import Build
from duto_agent.host.housekeeping import Housekeeper
from duto_agent.host.usage import Sampler
from duto_agent.launchers.base import AttemptKey
from duto_agent.loops import start_loop, succeeds
from duto_agent.mounts.supervision import Mounts
from duto_agent.studio.client import Away, Refused, StudioFaulty
from duto_agent.studio.exchange import Exchange, QueuedReport, final_report
from duto_agent.studio.file_cache import FileCache
from duto_agent.supervisor import Supervisor
from duto_protocol import messages
from duto_protocol.messages import (
    Answer,
    ArtifactEntry,
    AttemptReport,
    BuildReport,
    BuildSpec,
    Drop,
    Finished,
    HostFacts,
)
from duto_protocol.reading import of_document
from duto_protocol.reports import AnyReport
from tests.agent.steps import until

FAULTS: list[Callable[[], BaseException]] = [
    lambda: ValueError("no"), lambda: UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"),
    lambda: RecursionError("too deep"), MemoryError, lambda: OSError(36, "File name too long"),
    lambda: KeyError("attempt"), lambda: TypeError("no"), lambda: AttributeError("no"), lambda: SystemExit(1),
    lambda: NotADirectoryError(20, "no"), lambda: OverflowError("no"), AssertionError,
]  # fmt: skip
ALL = pytest.mark.parametrize("fault", FAULTS, ids=lambda each: type(each()).__name__)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duto_agent.loops.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("duto_agent.studio.exchange.LONGEST_PAUSE_S", 0.0)
    monkeypatch.setattr("duto_agent.studio.exchange.RENEW_S", 0.01)


class Failing:
    """Raises at its first calls, then does what it should."""

    def __init__(self, fault: Callable[[], BaseException], then: Any = None, times: int = 2) -> None:
        self.fault, self.then, self.left, self.calls = fault, then, times, 0

    def __call__(self, *given: Any, **named: Any) -> Any:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.fault()
        return self.then(*given, **named) if callable(self.then) else self.then


@ALL
def test_a_thread_goes_on_after_what_a_turn_raised(fault: Callable[[], BaseException]) -> None:
    stop = threading.Event()
    turn = Failing(fault, stop.set)
    thread = start_loop("any", turn, stop)
    thread.join(60)
    assert not thread.is_alive() and turn.calls == 3
    assert not succeeds("any", Failing(fault)) and succeeds("any", lambda: None)


def test_an_error_without_words_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    assert not succeeds("any", Failing(Mute, times=1))


class Client:
    """The studio as the exchange sees it: `deaf` says for which reports it fails, and how."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self.deaf: Callable[[dict[str, Any]], BaseException | None] = lambda report: None
        self.answers: list[Any] = []
        self.faults: list[BaseException] = []

    def exchange(self, message: messages.Exchange) -> Answer:
        if self.faults:
            raise self.faults.pop(0)
        known, wait = [json.loads(bytes(each)) for each in message.reports or ()], message.wait
        for each in known:
            if (error := self.deaf(each)) is not None:
                raise error
        self.reports += known
        if wait and not self.answers:
            threading.Event().wait(0.005)
        return self.answers.pop(0) if wait and self.answers else Answer()


class WorkHandler:
    """What the exchange hands answers to."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.holding: Callable[[], Any] = list
        self.capacity: Callable[[], Any] = lambda: 1

    def take(self, answer: Answer) -> None:
        if answer != Answer():
            self.taken.append(answer)


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def exchange(client: Client) -> Iterator[Exchange]:
    made = Exchange(client, HostFacts)  # type: ignore[arg-type]
    yield made
    made.stop()


def heard_of(exchange: Exchange, report: Finished) -> threading.Event:
    event = threading.Event()
    exchange.send_report(report, urgent=True, heard=event.set)
    return event


def finished(attempt: str, **facts: Any) -> Finished:
    return Finished(event="finished", attempt=attempt, epoch=1, exit_code=0, **facts)


@ALL
def test_claims_and_reports_outlive_what_the_client_raises(
    exchange: Exchange, client: Client, fault: Callable[[], BaseException]
) -> None:
    client.faults = [fault() for _ in range(6)]
    exchange.start(WorkHandler())
    assert heard_of(exchange, finished("a")).wait(60)
    client.answers = [Answer(drop=[Drop("a")])]
    until(lambda: not client.answers)


@ALL
def test_claims_and_reports_outlive_what_the_host_cannot_tell(
    exchange: Exchange, client: Client, fault: Callable[[], BaseException]
) -> None:
    handler = WorkHandler()
    exchange.facts = Failing(fault, {}, times=10)
    handler.holding, handler.capacity = Failing(fault, [], times=3), Failing(fault, 1, times=3)
    handler.take = Failing(fault, times=3)  # type: ignore[method-assign]
    exchange.start(handler)
    assert heard_of(exchange, finished("a")).wait(60)
    assert heard_of(exchange, finished("b")).wait(60)
    assert [each["attempt"] for each in client.reports] == ["a", "b"]


def test_what_is_no_json_is_refused_to_whoever_tells_it(exchange: Exchange) -> None:
    with pytest.raises(TypeError):
        exchange.send_report(finished("a", usage=object()))
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(RecursionError):
        exchange.send_report(finished("a", usage=nested))
    exchange.send_report(finished("b", message="half a pair: \udcff"))
    assert [each.attempt for each in exchange._pending] == ["b"]


def refused(status: int) -> Refused:
    return Refused(status, {"error": {"code": "too_large", "message": "Send less."}})


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_report_that_the_studio_refuses_ends_its_own_attempt_alone(
    exchange: Exchange, client: Client, status: int
) -> None:
    client.deaf = lambda report: refused(status) if report.get("artifacts") or report.get("detail") else None
    bad = heard_of(exchange, finished("bad", artifacts=[ArtifactEntry("a")]))
    exchange.send_report(AttemptReport(event="preparing", attempt="c", epoch=1, detail="bad"))
    good = [heard_of(exchange, finished(name)) for name in ("a", "b")]
    exchange.start(WorkHandler())
    assert bad.wait(60) and all(each.wait(60) for each in good)
    facts = {each["attempt"]: each for each in client.reports}
    assert set(facts) == {"a", "b", "bad"} and facts["a"]["exit_code"] == 0
    assert (facts["bad"]["cause"], facts["bad"]["exit_code"]) == ("studio_fault", None)
    assert f"{status} too_large Send less." in facts["bad"]["message"]


def test_a_studio_that_fails_at_everything_ends_no_attempt(exchange: Exchange, client: Client) -> None:
    client.faults = [StudioFaulty("500"), refused(400), Away("gone"), StudioFaulty("500")] * 5
    events = [heard_of(exchange, finished(name)) for name in "abc"]
    exchange.start(WorkHandler())
    assert all(each.wait(60) for each in events)
    assert all(each["exit_code"] == 0 for each in client.reports)


def test_a_fault_over_one_report_may_pass_but_does_not_last_for_ever(
    exchange: Exchange, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [3]

    def deaf(report: dict[str, Any]) -> BaseException | None:
        if report["attempt"] == "passing" and left[0]:
            left[0] -= 1
            return StudioFaulty("The studio answered 500.")
        return StudioFaulty("The studio answered 500.") if report.get("artifacts") else None

    client.deaf = deaf
    passing, lasting = (
        heard_of(exchange, finished("passing")),
        heard_of(exchange, finished("lasting", artifacts=[ArtifactEntry("a")])),
    )
    exchange.start(WorkHandler())
    assert passing.wait(60) and not lasting.is_set()
    monkeypatch.setattr("duto_agent.studio.exchange.PATIENCE_S", 0.0)
    assert lasting.wait(60)
    facts = {each["attempt"]: each for each in client.reports}
    assert facts["passing"]["exit_code"] == 0 and facts["lasting"]["cause"] == "studio_fault"


def test_a_large_report_travels_without_others() -> None:
    exchange = Exchange(None, HostFacts)  # type: ignore[arg-type]
    for name in "abc":
        exchange.send_report(finished(name, message="x" * (9 << 20)))
    assert [each.attempt for each in exchange._batch()] == ["a"]
    assert QueuedReport.of(final_report("a", 1, foreign("y" * 9000))).data.count(b"y") < 9000


@ALL
def test_usage_is_sampled_of_the_others(fault: Callable[[], BaseException], tmp_path: Path) -> None:
    keys = [AttemptKey("bad", 1), AttemptKey("good", 1)]
    weighed: list[AttemptKey] = []

    class Launcher:
        def stats(self, key: AttemptKey, processes: Any) -> None:
            weighed.append(key)
            if key == keys[0]:
                raise fault()

    sampler = Sampler(Launcher(), lambda: dict.fromkeys(keys, ()), None)  # type: ignore[arg-type]
    for moment in range(0, 6, 2):
        sampler.look(float(moment))
    assert weighed.count(keys[1]) == weighed.count(keys[0]) >= 2
    sampler.held = Failing(fault, dict)  # type: ignore[assignment]
    sampler.start()
    until(lambda: sampler.held.calls > 2)  # type: ignore[attr-defined]
    sampler.stop()


@ALL
def test_the_notifications_goes_on(fault: Callable[[], BaseException], tmp_path: Path) -> None:
    notifications, notify = ShimNotifications(tmp_path / "notify"), Failing(fault, times=2)
    notifications.listen(notify)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        for _ in range(3):
            link.sendto(b"a-1", str(tmp_path / "notify"))
    until(lambda: notify.calls == 3)
    notifications.close()


@ALL
def test_housekeeping_goes_on_with_the_rest(
    fault: Callable[[], BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [tmp_path / "attempts" / f"{name}.tmp.gone" for name in ("a-1", "b-1")]
    for each in left:
        each.mkdir(parents=True)
    removed: list[Path] = []

    def remove(path: Path) -> None:
        removed.append(path)
        if len(removed) == 1:
            raise fault()

    monkeypatch.setattr("duto_agent.host.housekeeping.remove_tree", remove)
    keeper = Housekeeper(tmp_path, list)
    keeper.scan(0.0)
    assert sorted(removed) == left and keeper.storage["attempts"] == []
    keeper.scan(0.0)  # and it is tried again
    assert len(removed) == 4


class AgentContext:
    """As much of the agent as a supervisor needs to take attempts up and to put them away."""

    def __init__(self, attempts: Path) -> None:
        self.launcher, self.images, self.reports = self, None, []  # type: ignore[var-annotated]
        self.mounts = Mounts(attempts.parent, "http://127.0.0.1:9", FileCache(attempts.parent / "cache"), is_off=True)
        self.attempts, self.client, self.fault = attempts, None, ValueError
        self.cleaned: list[str] = []

    def directory(self, key: AttemptKey) -> Path:
        return self.attempts / key.folder

    def discover(self) -> list[AttemptKey]:
        return [AttemptKey("bad", 1), AttemptKey("good", 1)]

    def cleanup(self, key: AttemptKey) -> None:
        self.cleaned.append(key.attempt)
        if key.attempt == "bad":
            raise self.fault()

    def send_report(self, report: AnyReport, urgent: bool = False, heard: Any = None) -> None:
        self.reports.append(report)


@ALL
def test_a_start_survives_what_cannot_be_put_away(fault: Callable[[], BaseException], tmp_path: Path) -> None:
    context = AgentContext(tmp_path / "attempts")
    context.fault = fault  # type: ignore[assignment]
    supervisor = Supervisor(context, tmp_path)  # type: ignore[arg-type]
    assert supervisor.adopt() == 2
    until(lambda: sorted(context.cleaned) == ["bad", "good"])
    supervisor._reported.add(AttemptKey("bad", 1))
    answer = {"drop": [{}, None, {"attempt": "bad"}], "cancel": [None, {"attempt": None}], "work": 3}
    supervisor.take(of_document(answer, Answer).message)
    until(lambda: context.cleaned.count("bad") == 2)
    supervisor._pool.shutdown()  # type: ignore[attr-defined]


@ALL
def test_an_attempt_that_stops_with_any_fault_is_told_and_others_go_on(
    fault: Callable[[], BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = AgentContext(tmp_path / "attempts")
    monkeypatch.setattr("duto_agent.attempt.lifecycle.Attempt.run", lambda self: Failing(fault, times=1)())
    supervisor = Supervisor(context, tmp_path)  # type: ignore[arg-type]
    work = {"type": "attempt", "epoch": 1, "spec": {}}
    answer = {"work": [{"type": "attempt"}, "?", {**work, "attempt": "a"}, {**work, "attempt": "b"}]}
    supervisor.take(of_document(answer, Answer).message)
    until(lambda: len(context.reports) == 2)
    assert {each.attempt for each in context.reports} == {"a", "b"}
    assert all(type(fault()).__name__ in each.message for each in context.reports)
    assert supervisor.holding() == []
    supervisor._pool.shutdown()  # type: ignore[attr-defined]


def test_an_end_that_the_studio_refuses_twice_is_let_go(tmp_path: Path) -> None:
    context = AgentContext(tmp_path / "attempts")
    supervisor, key = Supervisor(context, tmp_path), AttemptKey("a", 1)  # type: ignore[arg-type]
    supervisor._reported.add(key)
    item = {"attempt": "a", "epoch": 1, "code": "studio_fault", "message": "OSError: too long"}
    supervisor.take(of_document({"refused": [item]}, Answer).message)
    assert "OSError: too long" in context.reports[-1].message and supervisor.holding()
    supervisor.take(of_document({"refused": [item]}, Answer).message)
    assert len(context.reports) == 1 and supervisor.holding() == []
    until(lambda: context.cleaned == ["a"])


@ALL
def test_the_log_of_a_build_is_shipped_whatever_one_piece_raised(
    fault: Callable[[], BaseException], tmp_path: Path
) -> None:
    sent: list[bytes] = []

    class Studio:
        client = None

        def send_report(self, *given: Any, **named: Any) -> None:
            """Nobody listens."""

    context = Studio()
    context.client = context  # type: ignore[assignment]
    put = Failing(fault, lambda build, at, data: sent.append(data) or at + len(data))
    context.put_build_log = put  # type: ignore[attr-defined]
    build = Build("b", BuildSpec(), context, tmp_path)  # type: ignore[arg-type]
    build._begin_and_make = lambda: build.path.write_text("line\n") and BuildReport(event="ready")  # type: ignore
    build.run()
    assert b"".join(sent) == b"line\n"
