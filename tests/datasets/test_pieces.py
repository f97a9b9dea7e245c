"""Files that come to a form piece by piece: they go on where they broke off, and are never made of two files."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest

from core.errors import Conflict, Invalid, NotFound
from core.storage import Root
from datasets.services import staging
from datasets.services.staging import Piece, held, new_key, parts, put_piece
from datasets.stores import STAGED, root_by_name
from tests.workspace_scenario import WorkspaceScenario, scenario
from workspaces.services import storage, workspaces

__all__ = ["scenario"]
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
DATA = os.urandom(5000)


class Sender:
    """A browser that sends one file in pieces of 1,000 bytes."""

    def __init__(self, scenario: WorkspaceScenario) -> None:
        self.context = scenario.context
        self.key = new_key(self.context)

    def send(self, offset: int, data: bytes = DATA, changed: int = 7, path: str = "a/b.bin", sender: str = "") -> int:
        piece = Piece(offset, len(data), changed, sender)
        return put_piece(self.context, self.key, path, piece, io.BytesIO(data[offset : offset + 1000]))

    def rest(self, offset: int, data: bytes = DATA, **more: Any) -> None:
        """As the page does: each next piece begins where the studio says."""
        for _piece in range(3 * len(data) // 1000):
            if offset < len(data):
                offset = self.send(offset, data, **more)
        assert offset >= len(data), "it would send for ever"

    def read(self, path: str = "a/b.bin") -> bytes:
        (found,) = [each for each in held(self.context, self.key) if each.path == path]
        return bytes(root_by_name(self.context.workspace, STAGED).read(found.key))


@pytest.fixture
def sender(scenario: WorkspaceScenario) -> Sender:
    return Sender(scenario)


def test_a_file_goes_on_where_it_broke_off(sender: Sender) -> None:
    assert [sender.send(0), sender.send(1000)] == [1000, 2000]
    assert held(sender.context, sender.key) == [], "half a file is none"
    assert [(each.path, each.received, each.total) for each in parts(sender.context, sender.key)] == [
        ("a/b.bin", 2000, 5000)
    ]
    # The page was loaded anew and its file chosen again: it begins at the beginning, and is told how far it is.
    assert sender.send(0) == 2000
    sender.rest(2000)
    assert sender.read() == DATA and parts(sender.context, sender.key) == []


def test_a_piece_that_came_twice_or_whose_answer_was_lost_changes_nothing(sender: Sender) -> None:
    assert [sender.send(0), sender.send(0), sender.send(1000), sender.send(1000)] == [1000, 1000, 2000, 2000]
    assert sender.send(4000) == 2000, "a gap is not filled with anything"
    sender.rest(2000)
    assert sender.send(4000) == 5000 and sender.read() == DATA, "its sender has not heard that all is there"


@pytest.mark.parametrize("changed", [7, 8])
def test_another_file_of_the_same_name_and_size_is_not_mixed_with_the_first(sender: Sender, changed: int) -> None:
    sender.send(0), sender.send(1000)
    other = os.urandom(1) + DATA[1:] if changed == 8 else DATA[:1500] + os.urandom(3500)
    first = sender.send(0, other, changed)
    assert first == (1000 if changed == 8 else 2000)
    # What is here of the old one differs where the new one goes on: that is seen as soon as they overlap.
    offset = sender.send(1000, other, changed) if changed == 7 else first
    assert offset == (0 if changed == 7 else 1000)
    sender.rest(offset, other, changed=changed)
    assert sender.read() == other and parts(sender.context, sender.key) == []


def test_an_empty_end_and_a_longer_file_are_refused_or_taken_as_said(sender: Sender) -> None:
    with pytest.raises(Invalid, match="More of the file"):
        put_piece(sender.context, sender.key, "x", Piece(0, 10, 1), io.BytesIO(b"12345678901"))
    with pytest.raises(Invalid, match="begins inside"):
        put_piece(sender.context, sender.key, "x", Piece(11, 10, 1), io.BytesIO(b""))
    with pytest.raises(Invalid, match="key"):
        put_piece(sender.context, "another", "x", Piece(0, 10, 1), io.BytesIO(b"1"))


def test_a_part_is_left_out_by_its_path_and_goes_after_a_day(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    sender.send(0), sender.send(0, path="c.bin")
    staging.remove(sender.context, sender.key, "a/b.bin")
    assert [each.path for each in parts(sender.context, sender.key)] == ["c.bin"]
    monkeypatch.setattr(staging, "KEPT", -staging.KEPT)
    staging.sweep()
    assert parts(sender.context, sender.key) == []


@pytest.mark.parametrize("brought", [0, 1500])
def test_two_requests_at_a_time_never_mix_a_file(sender: Sender, brought: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow request that began when less was here writes after others: over a piece that is longer than its own."""
    sender.send(0)
    compare = staging._begins_with

    def slow(*given: Any) -> bool:
        monkeypatch.setattr(staging, "_begins_with", compare)
        assert [sender.send(1000), sender.send(2000)] == [2000, 3000]
        return compare(*given)

    monkeypatch.setattr(staging, "_begins_with", slow)
    piece = Piece(0, len(DATA), 7)
    received = put_piece(sender.context, sender.key, "a/b.bin", piece, io.BytesIO(DATA[: brought or 1000]))
    assert received == (brought or 1000), "what lies after it follows nothing that is here"
    sender.rest(sender.send(3000))
    assert sender.read() == DATA and parts(sender.context, sender.key) == []


@pytest.mark.parametrize("changed", [7, 8])
def test_of_two_windows_that_send_one_path_the_first_is_refused(sender: Sender, changed: int) -> None:
    other = DATA[:1000] + os.urandom(4000)
    assert sender.send(0, sender="first") == 1000
    assert sender.send(0, other, changed, sender="second") == 1000, "who begins takes it over"
    with pytest.raises(Conflict, match=r"Another window sends 'a/b\.bin' now"):
        sender.send(1000, sender="first")
    sender.rest(1000, other, changed=changed, sender="second")
    assert sender.read() == other
    sender.rest(0, sender="first")
    assert sender.read() == DATA and parts(sender.context, sender.key) == []


@pytest.mark.parametrize("first, second", [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a")])
@pytest.mark.parametrize("is_whole", [True, False])
def test_a_file_and_a_folder_of_one_name_are_refused(sender: Sender, first: str, second: str, is_whole: bool) -> None:
    sender.rest(0, path=first) if is_whole else sender.send(0, path=first)
    with pytest.raises(Conflict, match="cannot be files of one folder"):
        sender.send(0, path=second)
    with pytest.raises(Conflict, match="cannot be files of one folder"):
        staging.put(sender.context, sender.key, second, io.BytesIO(b"1"))
    staging.remove(sender.context, sender.key, second)  # what was refused is left out
    sender.rest(0, path=first)
    assert sender.read(first) == DATA
    staging.remove(sender.context, sender.key, first)
    sender.rest(0, path=second)
    assert sender.read(second) == DATA and len(held(sender.context, sender.key)) == 1


def test_a_form_waits_for_what_is_not_whole(sender: Sender) -> None:
    staging.put(sender.context, sender.key, "first.csv", io.BytesIO(b"1"))
    sender.send(0)
    with pytest.raises(Conflict, match=r"only a part is here yet: 'a/b\.bin'"):
        staging.publish(sender.context, sender.key, "data")
    staging.put(sender.context, sender.key, "a/b.bin", io.BytesIO(b"2"))
    assert parts(sender.context, sender.key) == [], "the same path again takes its place"
    staging.publish(sender.context, sender.key, "data")
    with pytest.raises(NotFound, match="no file yet"):
        staging.publish(sender.context, sender.key, "data")


def test_what_is_taken_back_lies_beside_what_came_meanwhile(sender: Sender) -> None:
    for path in ("same.csv", "old.csv", "folder"):
        staging.put(sender.context, sender.key, path, io.BytesIO(b"old"))
    place = staging.publish(sender.context, sender.key, "data")
    for path in ("same.csv", "new.csv", "folder/x"):
        staging.put(sender.context, sender.key, path, io.BytesIO(b"new"))
    staging.take_back(sender.context, sender.key, place)
    found = {each.path: sender.read(each.path) for each in held(sender.context, sender.key)}
    assert found == {"same.csv": b"new", "old.csv": b"old", "new.csv": b"new", "folder/x": b"new"}
    assert not root_by_name(sender.context.workspace, sender.context.workspace.default_datastore).exists(place)


def test_two_forms_that_are_sent_at_a_time_get_folders_of_their_own(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Sender.__new__(Sender)
    other.context, other.key = sender.context, new_key(sender.context)
    for each in (sender, other):
        staging.put(each.context, each.key, "a.csv", io.BytesIO(b"1"))
    exists = Root.exists

    def slow(root: Root, key: str) -> bool:
        monkeypatch.setattr(Root, "exists", exists)
        found = root.exists(key)
        assert staging.publish(other.context, other.key, "data") == "uploads/data"
        return found

    monkeypatch.setattr(Root, "exists", slow)
    assert staging.publish(sender.context, sender.key, "data") == "uploads/data-2"


def test_a_form_that_is_sent_while_a_file_comes_tells_its_window(sender: Sender) -> None:
    staging.put(sender.context, sender.key, "first.csv", io.BytesIO(b"1"))

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if not self.tell():
                staging.publish(sender.context, sender.key, "data")
            return super().read(size)

    with pytest.raises(Conflict, match="before all of it was there"):
        staging.put(sender.context, sender.key, "late.csv", Slow(b"1"))


def test_pieces_keep_to_the_room_of_the_workspace(sender: Sender) -> None:
    """Each file alone has room when it begins."""
    used = storage.measure(sender.context.workspace.pk)
    workspaces.set_limits(sender.context, {"storage_bytes": used + 7500})
    assert [sender.send(0, path=path) for path in ("a", "b", "c")] == [1000] * 3
    sender.rest(1000, path="a")
    with pytest.raises(Conflict, match="may keep"):
        sender.rest(1000, path="b")
    assert [each.path for each in held(sender.context, sender.key)] == ["a"]


def test_files_that_are_there_wait_for_one_that_is_on_its_way(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file takes longer than a day."""
    staging.put(sender.context, sender.key, "first.csv", io.BytesIO(b"1"))
    root = root_by_name(sender.context.workspace, STAGED)
    (first,) = held(sender.context, sender.key)
    place = root.place(first.key)
    assert place is not None
    old = first.modified - 2 * staging.KEPT.total_seconds()
    os.utime(place, (old, old))
    sender.send(0)
    staging.sweep()
    assert [each.path for each in held(sender.context, sender.key)] == ["first.csv"]
