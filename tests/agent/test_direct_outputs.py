"""Outputs that go from a host to their store: over real sockets, with a studio that gives addresses and a store that takes parts."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duto.spec.sentences import said
from duto_agent.attempt import direct_outputs
from duto_agent.attempt.closing import Abandoned, Cut
from duto_agent.attempt.direct_outputs import DirectOutput, NotDirect
from duto_agent.attempt.part_ledger import LEDGER, PartLedger
from duto_agent.studio.client import StudioClient
from duto_protocol.messages import PARTS_MOST, FileEntry, OutputEntry, PartsAsk, PartsGiven, PartsOffer
from duto_protocol.meters import Meter
from duto_protocol.parts import LEAST, part_size_of, sizes_of
from duto_protocol.reading import read, written
from studio.supervisor.broker import free_port

PART = 1000


class Far:
    """A studio and a store in one: `/parts` gives addresses, a few at a time; PUT to one of them keeps a part."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, int], bytes] = {}
        self.puts: list[tuple[str, int]] = []
        self.asks: list[PartsAsk] = []
        self.answers: list[int] = []  # that come before the right one, of the store
        self.refusal: tuple[int, str] | None = None  # of the studio
        self.store = ""
        far = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/parts":
                    return self._offer(read(body, PartsAsk).message)
                query = parse_qs(urlsplit(self.path).query)
                key = (query["path"][0], int(query["number"][0]))
                far.puts.append(key)
                status = far.answers.pop(0) if far.answers else 201
                right = base64.b64encode(hashlib.md5(body).digest()).decode() == self.headers["Content-MD5"]
                status = status if right else 400
                if status == 201:
                    far.parts[key] = body
                return self._answer(status, b"")

            def _offer(self, ask: PartsAsk) -> None:
                far.asks.append(ask)
                if far.refusal is not None:
                    status, code = far.refusal
                    return self._answer(status, json.dumps({"error": {"code": code, "message": "no"}}).encode())
                given, left = list[PartsGiven](), 5
                for each in ask.files:
                    numbers = range(each.first, len(sizes_of(each.size, PART)) + 1)[:left]
                    left -= len(numbers)
                    if numbers:
                        base = f"{far.store or far.url}/store?path={each.path}&number="
                        given.append(PartsGiven(each.path, "u1", PART, each.first, [f"{base}{n}" for n in numbers]))
                return self._answer(200, written(PartsOffer(given)))

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def far() -> Iterator[Far]:
    made = Far()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Output:
    """A folder with a few files, and what is needed to send it."""

    def __init__(self, far: Far, folder: Path) -> None:
        self.far, self.folder, self.client = far, folder, StudioClient(far.url, "key")
        self.data = {"a.bin": bytes(range(256)) * 30, "b.txt": b"short", "empty": b"", "c.bin": b"c" * 2 * PART}
        self.files = {name: folder / name for name in self.data}
        for name, data in self.data.items():
            self.files[name].write_bytes(data)

    def entry(self) -> OutputEntry:
        found = [(name, path.read_bytes()) for name, path in self.files.items()]
        entries = [FileEntry(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in found]
        return OutputEntry("made", is_directory=True, files=entries)

    def send(self, check: object = lambda: None) -> Meter:
        meter, entry = Meter(), self.entry()
        meter.expect(len(entry.files), sum(each.size for each in entry.files))
        DirectOutput(self.client, PartLedger(self.folder), meter, check, "/parts").send(entry, self.files)  # type: ignore[arg-type]
        return meter

    def arrived(self) -> dict[str, bytes]:
        keys = sorted(self.far.parts)
        return {name: b"".join(self.far.parts[key] for key in keys if key[0] == name) for name in self.data}


@pytest.fixture
def output(far: Far, tmp_path: Path) -> Iterator[Output]:
    made = Output(far, tmp_path)
    yield made
    made.client.close()


def test_every_part_is_sent_once_and_counted(far: Far, output: Output) -> None:
    meter = output.send().transfer
    assert output.arrived() == output.data
    assert len(far.puts) == len(set(far.puts)) == 8 + 1 + 2
    assert (meter.done, meter.total, meter.files, meter.files_total) == (7680 + 5 + 2000, 9685, 4, 4)
    assert {each.path for ask in far.asks for each in ask.files} == {"a.bin", "b.txt", "c.bin"}


def test_the_next_agent_sends_what_is_left(far: Far, output: Output) -> None:
    far.answers = [201, 201, 201, 500, 500]

    def stop() -> None:
        if len(far.parts) >= 3:
            raise Cut("canceled", said("step_canceled"))

    with pytest.raises(Cut):
        output.send(stop)
    while threading.active_count() > 2 and any(t.name.startswith("outputs") for t in threading.enumerate()):
        threading.Event().wait(0.01)
    before = set(far.parts)
    with (output.folder / LEDGER).open("ab") as ledger:
        ledger.write(b'["u1",99,"torn')
    far.puts.clear()
    far.answers = []
    meter = output.send().transfer
    assert output.arrived() == output.data and not before & set(far.puts)
    assert (meter.done, meter.files) == (9685, 4)


def test_a_file_that_is_another_one_by_now_is_sent_anew(far: Far, output: Output) -> None:
    output.send()
    far.puts.clear()
    output.data["c.bin"] = b"d" * 2 * PART
    output.files["c.bin"].write_bytes(output.data["c.bin"])
    output.send()
    assert sorted(far.puts) == [("c.bin", 1), ("c.bin", 2)] and output.arrived() == output.data


def test_a_ledger_that_is_none_is_no_ledger(far: Far, output: Output) -> None:
    (output.folder / "elsewhere").write_text('["u1",1,"x"]\n')
    (output.folder / LEDGER).symlink_to(output.folder / "elsewhere")
    output.send()
    assert output.arrived() == output.data
    assert (output.folder / "elsewhere").read_text() == '["u1",1,"x"]\n', "a link is not followed"


def test_an_address_that_is_good_no_more_is_asked_for_again(far: Far, output: Output) -> None:
    far.answers = [403, 500, 429]
    meter = output.send().transfer
    assert output.arrived() == output.data and meter.done == 9685


@pytest.mark.parametrize("answers", [[403] * 100, [400] * 100])
def test_a_store_that_refuses_leaves_it_to_the_studio(far: Far, output: Output, answers: list[int]) -> None:
    far.answers = answers
    with pytest.raises(NotDirect):
        output.send()


def test_a_store_that_is_away_too_long_leaves_it_to_the_studio(
    far: Far, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_outputs, "STORE_PATIENCE_S", 0.5)
    far.answers = [503] * 1000
    with pytest.raises(NotDirect, match="503"):
        output.send()


def test_a_store_that_is_not_reached_is_not_tried_again_for_a_while(far: Far, output: Output) -> None:
    far.store = f"http://127.0.0.1:{free_port()}"
    for _ in range(2):
        with pytest.raises(NotDirect):
            output.send()
    assert output.client._is_unreachable(urlsplit(far.store).netloc)


@pytest.mark.parametrize(
    ("refusal", "error"),
    [((409, "no_parts"), NotDirect), ((404, "not_found"), NotDirect), ((409, "stale_epoch"), Abandoned)],
)
def test_what_the_studio_refuses(far: Far, output: Output, refusal: tuple[int, str], error: type[Exception]) -> None:
    far.refusal = refusal
    with pytest.raises(error):
        output.send()
    assert far.puts == []


def test_a_file_that_is_gone_or_shorter_leaves_it_to_the_studio(far: Far, output: Output) -> None:
    entry = output.entry()
    output.files["a.bin"].write_bytes(b"x" * 1500)
    direct = DirectOutput(output.client, PartLedger(output.folder), Meter(), lambda: None, "/parts")
    with pytest.raises(NotDirect, match="shorter"):
        direct.send(entry, output.files)


@given(st.integers(1, 1 << 46))
def test_parts_make_up_the_file_and_are_not_too_many(size: int) -> None:
    part = part_size_of(size)
    count = -(-size // part)
    assert part >= LEAST and count <= PARTS_MOST
    assert part * (count - 1) < size <= part * count


@given(st.integers(0, 10_000), st.integers(1, 300))
def test_sizes_of_parts(size: int, part: int) -> None:
    found = sizes_of(size, part)
    assert (
        sum(found) == size and all(each == part for each in found[:-1]) and all(0 < each <= part for each in found[-1:])
    )


def test_lines_that_are_no_parts_are_left_out_of_a_ledger(tmp_path: Path) -> None:
    ledger = PartLedger(tmp_path)
    ledger.note(("upload", 1, "digest"))
    with (tmp_path / LEDGER).open("ab") as file:
        file.write(b'["upload", 2, []]\n' + b"[" * 100_000 + b'\n3\n["upload", 4')
    again = PartLedger(tmp_path)
    assert again.has(("upload", 1, "digest")) and not again.has(("upload", 4, "digest"))
