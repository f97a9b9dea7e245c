"""What a driver asks for its node goes to the studio once it is due, and what comes back is left for the driver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from duto_agent.attempt import shares
from duto_agent.attempt.drivers import ANSWERS, EARLIER
from duto_agent.attempt.shares import Sharing
from duto_agent.launchers.base import AttemptKey
from duto_agent.launchers.ownership import LEDGER
from duto_agent.studio.client import Refused
from duto_agent.studio.shipments import Stale
from duto_protocol.messages import BatchAsk, BatchShare, InputFile

ASK = b'{"e":"ask","at":1.0,"q":%d,"count":9,"plan":"p","processes":2,"idle":%s,"failed":0,"items_failed":0}\n'


class Studio:
    """Answers in turn, the last one for ever."""

    def __init__(self, *answers: BatchShare | Refused) -> None:
        self.answers, self.asked = list(answers), list[BatchAsk]()

    def share(self, attempt: str, epoch: int, ask: BatchAsk) -> BatchShare:
        self.asked.append(ask)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Refused):
            raise answer
        return answer


class Transfers:
    def bring(self, file: InputFile, target: Path) -> None:
        target.write_text(f"of {file.get}")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shares, "AGAIN_S", 0.0)
    (tmp_path / "tmp").mkdir()
    return tmp_path


def sharing(place: Path, studio: Studio) -> Sharing:
    made: Any = (place, AttemptKey("a" * 8, 1), studio, Transfers())
    return Sharing(*made)


def answer_in(place: Path) -> dict[str, Any]:
    return dict(json.loads((place / ANSWERS).read_text()))


def test_one_that_is_not_idle_asks_once_and_an_idle_one_until_there_is_something(place: Path) -> None:
    first, more = BatchShare(asked=1, ranges=[(0, 4)]), BatchShare(asked=3, ranges=[(0, 4), (6, 8)])
    studio = Studio(first, first, more)
    mine = sharing(place, studio)
    assert not mine.ask() and not studio.asked
    mine.heard(b'{"e":"done"}\n' + ASK % (1, b"true"))
    assert mine.ask() and answer_in(place)["ranges"] == [[0, 4]] and not mine.ask()
    mine.heard(ASK % (2, b"false"))
    assert not mine.ask() and not mine.ask() and len(studio.asked) == 2
    mine.heard(ASK % (3, b"true"))
    assert mine.ask() and answer_in(place)["asked"] == 3
    again = sharing(place, studio)
    assert not again.ask(), "a new agent goes on from what is there"
    (place / LEDGER).write_bytes(ASK % (4, b"true"))
    late = sharing(place, Studio(BatchShare(asked=4, ranges=[(0, 4), (6, 8)], over=True)))
    assert late.ask() and answer_in(place)["over"], "and asks what was not answered"


def test_a_refusal_is_told_to_the_driver_and_a_lease_that_is_over_ends_the_attempt(place: Path) -> None:
    gone = {"error": {"code": "stale_epoch", "message": "no"}}
    other = {"error": {"code": "other_plan", "message": "This node has cut the inputs otherwise."}}
    mine = sharing(place, Studio(Refused(409, other), Refused(409, gone)))
    mine.heard(ASK % (1, b"true"))
    assert mine.ask() and "cut the inputs otherwise" in answer_in(place)["fault"]
    with pytest.raises(Stale):
        mine.ask()


def test_what_others_have_left_is_brought_and_no_file_is_written_over(place: Path) -> None:
    ledger, kept = InputFile(path="b.jsonl", get="/ledger/b"), InputFile(path="sub/one.txt", get="/kept/b/one")
    joins = BatchShare(asked=1, join=True, ledgers=[ledger], kept=[kept])
    mine = sharing(place, Studio(joins))
    mine.output = place / "out"
    mine.heard(ASK % (1, b"true"))
    assert mine.ask() and answer_in(place)["join"] and answer_in(place)["ledgers"] == ["b.jsonl"]
    assert (place / EARLIER / "b.jsonl").read_text() == "of /ledger/b"
    assert (place / "out/sub/one.txt").read_text() == "of /kept/b/one"
    again = place / "again"
    (again / "tmp").mkdir(parents=True)
    mine = sharing(again, Studio(joins))
    mine.output = place / "out"
    mine.heard(ASK % (1, b"true"))
    assert mine.ask() and "Two nodes have written the file sub/one.txt" in answer_in(again)["fault"]
