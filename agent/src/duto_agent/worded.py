"""Errors whose message is a sentence for people, which the studio tells in the language of whoever reads."""

from __future__ import annotations

from duto.spec.sentences import Said, foreign


class Worded(Exception):
    """Says what went wrong, and what to do."""

    def __init__(self, message: Said) -> None:
        super().__init__(message)
        self.message = message


def words_of(error: BaseException) -> Said:
    """What an error says to people; words of other programs as they are."""
    return error.message if isinstance(error, Worded) else foreign(str(error))
