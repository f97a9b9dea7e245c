"""A studio that is away for a while: who waits outlives it, who asks is told soon, and nothing is done twice."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from duto.client import http
from duto.client.http import Client
from duto.exceptions import AzureMLException, NotFoundException, StudioUnavailableException, UserErrorException
from duto.run import watching
from duto.run.spool import Posting
from tests.sdk.gate import Gate


class Clock:
    """Time that passes by sleeping only; what is planned for a moment happens then."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._plans: list[tuple[float, Callable[[], None]]] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        due = [action for moment, action in self._plans if moment <= self.now]
        self._plans = [each for each in self._plans if each[0] > self.now]
        for action in due:
            action()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self._plans.append((self.now + seconds, action))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(http, "time", made)
    monkeypatch.setattr(watching, "time", made)
    monkeypatch.setattr(http, "_answered", set())
    monkeypatch.delenv("DUTO_PATIENCE", raising=False)
    return made


class Answers:
    """A studio that answers what it is told to, and keeps what it was asked."""

    def __init__(self, port: int = 0) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.reply: Callable[[str, str], tuple[int, dict[str, str], bytes]] = lambda method, path: (200, {}, b"{}")
        studio = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                studio.asked.append((self.command, self.path, dict(self.headers.items())))
                status, headers, body = studio.reply(self.command, self.path)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def studio() -> Iterator[Answers]:
    made = Answers()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def gate(studio: Answers) -> Iterator[Gate]:
    made = Gate(studio.url)
    yield made
    made.close()


def test_who_waits_outlives_ten_minutes_and_is_told_once(clock, studio, gate, capfd):
    client = Client(gate.url)
    client.get("/x")
    gate.shut()
    clock.after(590, gate.unshut)
    with http.waiting():
        assert client.get("/x") == {}
    assert 590 <= clock.now - 1000 < 600
    assert max(clock.slept) <= 5
    found = capfd.readouterr().err
    assert found.count("\n") == 1 and gate.url in found and "600 seconds (DUTO_PATIENCE)" in found


def test_waiting_ends_when_patience_does(clock, studio, gate, monkeypatch):
    monkeypatch.setenv("DUTO_PATIENCE", "1800")
    client = Client(gate.url)
    client.get("/x")
    gate.shut()
    with http.waiting(), pytest.raises(StudioUnavailableException, match="Is it running"):
        client.get("/x")
    assert 1795 < clock.now - 1000 <= 1801


@pytest.mark.parametrize("text", ["ten", "-1", "nan", "1e12"])
def test_a_patience_that_is_no_number_is_said(clock, studio, monkeypatch, text):
    monkeypatch.setenv("DUTO_PATIENCE", text)
    studio.reply = lambda method, path: (503, {}, b"")
    with pytest.raises(UserErrorException, match="DUTO_PATIENCE"):
        Client(studio.url).get("/x")


def test_an_address_that_never_answered_is_told_soon_also_to_who_waits(clock, gate):
    gate.shut()
    with http.waiting(), pytest.raises(StudioUnavailableException):
        Client(gate.url).get("/x")
    assert clock.now - 1000 <= 3.1


def test_who_does_not_wait_is_told_within_half_a_minute(clock, studio, gate):
    client = Client(gate.url)
    client.get("/x")
    gate.shut()
    with pytest.raises(StudioUnavailableException):
        client.get("/x")
    assert 25 < clock.now - 1000 <= 30.1


def test_a_step_is_as_patient_in_every_call(clock, studio, gate, tmp_path):
    file = tmp_path / "studio.json"
    file.write_text(json.dumps({"url": gate.url}))
    gate.shut()
    clock.after(500, gate.unshut)
    assert Client(gate.url, address_file=str(file)).post("/x") == {}


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_without_its_studio_is_an_absence(clock, studio, status):
    client = Client(studio.url)
    client.get("/x")
    studio.reply = lambda method, path: (status, {"Retry-After": "20"}, b"<html>")
    clock.after(110, lambda: setattr(studio, "reply", lambda method, path: (200, {}, b"[1]")))
    with http.waiting():
        assert client.get("/x") == [1]
    assert set(clock.slept) == {20.0}


def test_a_studio_that_stays_busy_is_refused_in_its_own_words(clock, studio):
    body = json.dumps({"error": {"code": "busy", "message": "Busy.", "facts": {}}}).encode()
    studio.reply = lambda method, path: (503, {"Retry-After": "1"}, body)
    with pytest.raises(StudioUnavailableException, match="Busy"):
        Client(studio.url).post("/x")


def test_the_wait_can_be_broken_off(clock, studio, gate, monkeypatch):
    client = Client(gate.url)
    client.get("/x")
    gate.shut()

    def interrupted() -> None:
        raise KeyboardInterrupt

    clock.after(60, interrupted)
    with http.waiting(), pytest.raises(KeyboardInterrupt):
        client.get("/x")
    assert clock.now - 1000 < 70


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_an_answer_that_was_lost_is_asked_for_again_by_the_same_key(clock, studio, gate, method):
    client = Client(gate.url)
    gate.lose(f"{method.upper()} /x ")
    given: dict[str, tuple[Any, ...]] = {"post": ({"a": 1},), "put": (b"x",), "patch": ({"a": 1},)}
    assert getattr(client, method)("/x", *given.get(method, ())) == {}
    assert gate.lost == 1 and len(studio.asked) == 2
    keys = {headers.get("Idempotency-Key") for _method, _path, headers in studio.asked}
    assert len(keys) == 1 and (keys == {None}) == (method not in ("post", "put"))


def test_two_requests_have_two_keys(clock, studio):
    client = Client(studio.url)
    client.post("/x", {})
    client.post("/x", {})
    assert len({headers["Idempotency-Key"] for _method, _path, headers in studio.asked}) == 2


def test_without_a_key_what_was_sent_whole_is_not_sent_again(clock, studio, gate):
    client = Client(gate.url)
    gate.lose("POST /x ")
    with pytest.raises(StudioUnavailableException, match="not known"):
        client._call("POST", "/x", {}, b"{}", {})
    assert len(studio.asked) == 1


def test_without_a_key_what_never_arrived_is_sent_again(clock):
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))
    port = nobody.getsockname()[1]
    begun: list[Answers] = []

    def begin() -> None:
        nobody.close()
        begun.append(Answers(port))

    clock.after(2, begin)
    Client(f"http://127.0.0.1:{port}")._call("POST", "/x", {}, b"{}", {})
    assert [method for method, _path, _headers in begun[0].asked] == ["POST"]
    begun[0].server.shutdown()
    begun[0].server.server_close()


def test_what_a_lost_answer_has_deleted_already_is_deleted(clock, studio, gate):
    client = Client(gate.url)
    gate.lose("DELETE /x ")
    missing = (404, {}, b'{"error": {"code": "not_found", "message": "No.", "facts": {}}}')
    studio.reply = lambda method, path: (204, {}, b"") if len(studio.asked) == 1 else missing
    client.delete("/x")
    with pytest.raises(NotFoundException):
        client.delete("/x")


def test_an_answer_may_take_longer_than_a_minute(studio):
    """Only the way there has a short limit; the other machine is asked whether it still lives."""
    client = Client(studio.url)
    client.get("/x")
    sock = client._connection(False).sock
    assert sock.gettimeout() == 600
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    studio.reply = lambda method, path: (200, {"Connection": "close"}, b"{}")
    client.get("/x")
    client.get("/x")  # the connection was closed, and is a new one with the same limits
    assert client._connection(False).sock.gettimeout() == 600


def test_a_log_goes_on_where_it_stopped_with_nothing_doubled(clock, studio, gate, capsys):
    log = "".join(f"line {number} é\n" for number in range(400)).encode()
    said, size = {"status": "Running"}, [1000]

    def reply(method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        if "/log/" not in path:
            return 200, {}, json.dumps(said).encode()
        offset = int(path.partition("offset=")[2].partition("&")[0])
        part = log[offset : size[0]][:700]
        return 200, {"X-Log-Offset": str(offset), "X-Log-Size": str(size[0]), "X-Log-Attempt": "1"}, part

    studio.reply = reply
    client = Client(gate.url)

    class Watched:
        from duto.run.files import RunFiles

        id = "r"
        _log_windows = RunFiles._log_windows
        _place = "/r/"

        class _workspace:
            _client = client

        @property
        def status(self) -> str:
            return str(client.get("/r/")["status"])

        def _facts(self) -> dict[str, Any]:
            return dict(said)

        def get_portal_url(self) -> str:
            return "url"

    def back() -> None:
        size[0] = len(log)
        said["status"] = "Completed"
        gate.unshut()

    clock.after(0.1, gate.shut)
    clock.after(400, back)
    assert watching.watch_run(Watched(), True)
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("line ")]
    assert shown == log.decode().splitlines()


def test_another_attempt_is_shown_from_its_beginning(clock, studio, capsys):
    logs = {"1": b"first try\nhalf", "2": b"second try\ndone\n"}
    attempt = ["1"]

    def reply(method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        offset = int(path.partition("offset=")[2].partition("&")[0])
        log = logs[attempt[0]]
        return (
            200,
            {"X-Log-Offset": str(offset), "X-Log-Size": str(len(log)), "X-Log-Attempt": attempt[0]},
            log[offset:],
        )

    studio.reply = reply
    from duto.run.files import RunFiles

    class Watched:
        _log_windows = RunFiles._log_windows
        _place = "/r/"

        class _workspace:
            _client = Client(studio.url)

    follower = watching.Follower(Watched())
    follower.show()
    attempt[0] = "2"
    follower.show()
    follower.show(True)
    assert capsys.readouterr().out.splitlines() == ["first try", "half", "--- attempt 2 ---", "second try", "done"]


def test_a_download_of_other_bytes_than_were_promised_keeps_nothing(studio, tmp_path):
    studio.reply = lambda method, path: (200, {}, b"other")
    target = tmp_path / "f"
    with pytest.raises(AzureMLException, match="other bytes"):
        Client(studio.url).download("/f", target, hashlib.sha256(b"mine").hexdigest())
    assert not list(tmp_path.iterdir())
    assert Client(studio.url).download("/f", target, hashlib.sha256(b"other").hexdigest()) == 5


def test_records_that_could_not_be_sent_are_sent_later_by_the_key_that_they_had(clock, studio, gate):
    client = Client(gate.url, patience=0.0)
    client.get("/x")
    posting = Posting(client, "/m/")
    gate.shut()
    posting._pending.append({"seq": 1})
    with pytest.raises(StudioUnavailableException):
        posting.wait()
    gate.unshut()
    posting._pending.append({"seq": 2})
    gate.lose("POST /m/ ")
    posting.wait()
    keys = [headers["Idempotency-Key"] for method, _path, headers in studio.asked if method == "POST"]
    assert len(keys) == 3 and len(set(keys)) == 2 and keys[0] == keys[1]


def test_what_waits_for_something_waits_out_an_absence():
    """Whatever polls is decorated: a new one that forgets it is found here."""
    from duto.compute.targets import AmlCompute
    from duto.data import dataset
    from duto.environment.environment import ImageBuildDetails
    from duto.pipeline.pipeline_run import PipelineRun, StepRun
    from duto.run.run import Run

    waits = [each.wait_for_completion for each in (Run, PipelineRun, StepRun, AmlCompute, ImageBuildDetails)]
    for each in (*waits, dataset._when_ready, watching.watch_run, watching.watch_pipeline):
        assert hasattr(each, "__wrapped__"), each


@pytest.mark.parametrize(
    "state,facts,line",
    [
        ("Skipped", {"error": {"message": "Skipped: it needs prepare."}}, "Skipped: it needs prepare."),
        ("Canceled", {"error": {"message": "Canceled by ana."}}, "Canceled by ana."),
        ("Failed in 3.0 s", {"error": {"message": "No module."}}, "Failed in 3.0 s: No module."),
        ("Queued", {"status": "Queued", "step": {"waiting": [{"text": "The cluster is full."}]}}, "Queued (The cluster is full.)"),
        ("Running", {"status": "Running"}, "Running"),
    ],
)  # fmt: skip
def test_how_a_step_stands_is_said_once(state: str, facts: dict[str, Any], line: str) -> None:
    assert watching._with_cause(state, facts) == line
