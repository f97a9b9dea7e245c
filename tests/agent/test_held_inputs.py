"""What a host tells of the inputs in its cache: few words, no more than is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from duto_agent.studio import held_inputs
from duto_agent.studio.held_inputs import HeldInputs
from duto_protocol.messages import SOURCE_LENGTH, SOURCES_MOST, HostFacts, InputFile
from duto_protocol.reading import builtins_of, of_document
from tests.agent.test_file_cache import Source, transfers


def key(number: int) -> str:
    return f"{number:0{SOURCE_LENGTH}x}"


def test_what_the_cache_has_dropped_is_told_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_inputs, "LOOKED_EVERY_S", 0.0)
    there, names = tmp_path / "cache", [f"{number:064x}" for number in range(100)]
    there.mkdir()
    for name in names:
        (there / name).touch()
    held = HeldInputs(tmp_path / "inputs.json", there.joinpath)
    held.note(key(1), [(name, 10) for name in names])
    held.note(key(2), [])
    assert held.by_source() == {key(1): 1000}
    for name in names[50:]:
        (there / name).unlink()
    assert 300 <= held.by_source()[key(1)] <= 700
    assert HeldInputs(tmp_path / "inputs.json", there.joinpath).by_source() == held.by_source(), (
        "the next agent knows it, too"
    )
    for name in names[:50]:
        (there / name).unlink()
    assert held.by_source() == {}


def test_the_last_sources_are_told_within_the_bounds_of_the_protocol(tmp_path: Path) -> None:
    held = HeldInputs(tmp_path / "inputs.json", lambda _name: tmp_path)
    for number in range(SOURCES_MOST + 20):
        held.note(key(number), [("a", number + 1)])
    held.note(key(20), [("a", 7)])
    answer = held.by_source()
    assert len(answer) == SOURCES_MOST and key(19) not in answer and answer[key(20)] == 7
    read = of_document(builtins_of(HostFacts(cached_inputs=answer)), HostFacts)
    assert read.ignored == [] and read.message.cached_inputs == answer


@pytest.mark.parametrize("junk", ["", "[1]", '{"a": 1}', '{"a": {"bytes": 1, "names": []}}', '{"a": {"bytes": "x"}}'])
def test_a_file_that_makes_no_sense_is_begun_anew(tmp_path: Path, junk: str) -> None:
    (tmp_path / "inputs.json").write_text(junk)
    held = HeldInputs(tmp_path / "inputs.json", lambda _name: tmp_path)
    assert held.by_source() == {}
    held.note(key(3), [("a", 1)])
    assert held.by_source() == {key(3): 1}


def test_a_file_that_the_cache_does_not_keep_does_not_count(tmp_path: Path) -> None:
    mine = transfers(tmp_path, Source(b"0123456789"), most=100)
    files = [
        InputFile(path="a", size=10, get="/a", tag="one", cache_key="a" * 64),
        InputFile(path="b", size=60, get="/b", cache_key="b" * 64),
    ]
    mine.bring(files[0], tmp_path / "a")
    mine.note_input(key(1), [*files, InputFile(path="c", size=1, get="/c")])
    assert mine.held_inputs.by_source() == {key(1): 10}
