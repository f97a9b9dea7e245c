"""A machine asks for its key, and asks again where the answer was lost."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from duto_agent.host.enrolment import DRAFT, enrol


class Studio:
    """Takes enrolments; the first `lost` answers do not arrive."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.lost = 0
        studio = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                studio.asked.append(body)
                if len(studio.asked) <= studio.lost:
                    self.close_connection = True
                    return
                answer = json.dumps({"name": body["name"], "key": body["key"], "installation": "i"}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def studio() -> Iterator[Studio]:
    made = Studio()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_an_answer_that_was_lost_is_asked_for_with_the_same_key(studio: Studio, tmp_path: Path) -> None:
    studio.lost = 2
    assert enrol(tmp_path, studio.url, "token", "beta") == 0
    assert len(studio.asked) == 3 and len({each["key"] for each in studio.asked}) == 1
    kept = tmp_path / "host.json"
    assert json.loads(kept.read_text())["key"] == studio.asked[0]["key"] and len(studio.asked[0]["key"]) > 50
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and not (tmp_path / DRAFT).exists()


def test_the_command_that_is_run_again_proposes_the_key_that_it_kept(studio: Studio, tmp_path: Path) -> None:
    studio.lost = 100
    assert enrol(tmp_path, studio.url, "token", "beta") == 3
    draft = tmp_path / DRAFT
    assert stat.S_IMODE(draft.stat().st_mode) == 0o600 and "token" not in json.loads(draft.read_text()).values()
    studio.lost = 0
    assert enrol(tmp_path, studio.url, "token", "beta") == 0
    assert len({each["key"] for each in studio.asked}) == 1


def test_another_token_is_asked_with_another_key(studio: Studio, tmp_path: Path) -> None:
    studio.lost = 100
    assert enrol(tmp_path, studio.url, "token", "beta") == 3
    studio.lost = 0
    assert enrol(tmp_path, studio.url, "another", "beta") == 0
    assert len({each["key"] for each in studio.asked}) == 2


def test_where_nobody_listens_it_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    address = f"http://127.0.0.1:{server.server_port}"
    server.server_close()
    assert enrol(tmp_path, address, "token", "beta") == 3
    assert "cannot be reached" in capsys.readouterr().err
