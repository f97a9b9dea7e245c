"""Cursors: what a list gave leads on in it, and nothing else does."""

from __future__ import annotations

import pytest

from core.errors import Invalid
from core.paging import encode, page_of, part_of
from workspaces.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
BAD = ("x", "W10", "WyJ4Il0", "é", "a" * 50_000, encode(["files", True]), encode(["files", -1]), encode(["files", 10**30]), encode(["files", 1.0]))  # fmt: skip


def people(count: int) -> None:
    for number in range(count):
        User.objects.create_user(f"p{number}")


def test_pages_follow_each_other_to_the_end() -> None:
    people(5)
    seen: list[str] = []
    after: str | None = None
    while True:
        page = page_of(User.objects.all(), after=after, limit=2, keys=("username",))
        seen += [user.username for user in page.items]
        after = page.next
        if after is None:
            break
    assert seen == [f"p{number}" for number in range(5)]


@pytest.mark.parametrize(
    "cursor",
    [*BAD, encode(["user:-id", "x"]), encode(["user:-id", None]), encode(["user:-id", ["x"]]), encode(["user:-id", 3])],
)
def test_a_cursor_that_the_list_did_not_give_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid, match="not a cursor of this list"):
        page_of(User.objects.all(), after=cursor)
    with pytest.raises(Invalid, match="not a cursor of this list"):
        part_of([1, 2, 3], after=cursor, label="files")


def test_a_cursor_of_another_list_is_refused() -> None:
    people(3)
    foreign = page_of(User.objects.all(), after=None, limit=1, keys=("username",)).next
    with pytest.raises(Invalid):
        page_of(User.objects.all(), after=foreign)
    assert page_of(User.objects.all(), after=foreign, keys=("username",)).items


def test_text_that_no_database_keeps_is_refused() -> None:
    for odd in ("a\0b", "\ud800"):
        with pytest.raises(Invalid):
            page_of(User.objects.all(), after=encode(["user:username", odd]), keys=("username",))


def test_parts_of_a_list_in_memory_follow_each_other() -> None:
    first, after = part_of([1, 2, 3], after=None, limit=2, label="files")
    assert (first, part_of([1, 2, 3], after=after, limit=2, label="files")) == ([1, 2], ([3], None))
