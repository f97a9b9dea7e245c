"""Why attempts end badly, and what follows: tables over the pure parts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from duto_protocol.messages import Proof
from duto_protocol.reading import NotUnderstood, of_document
from runs.causes import CAUSES, Retry, attempts_allowed, cause_of, next_try, proof_of, proof_words
from runs.models import Attempt

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reliability.md"
GOOD = {"left_over": 0, "signals": ["TERM"], "seconds": 0.2}


@pytest.mark.parametrize(
    ("cause", "number", "retries", "delay", "follows"),
    [
        # Without a word of the step only a lost host or node is tried again, twice and at once.
        ("user_error", 1, None, None, None),
        ("attempt_lost", 1, None, None, None),
        ("host_lost", 1, None, None, Retry(2, 3, 0)),
        ("host_lost", 2, None, None, Retry(3, 3, 0)),
        ("host_lost", 3, None, None, None),
        ("node_removed", 1, None, None, Retry(2, 3, 0)),
        # The step's own word counts, also where it asks for less.
        ("user_error", 1, 2, 30, Retry(2, 3, 30)),
        ("user_error", 2, 2, 30, Retry(3, 3, 30)),
        ("user_error", 3, 2, 30, None),
        ("attempt_lost", 1, 1, None, Retry(2, 2, 0)),
        ("host_lost", 1, 0, None, None),
        ("host_lost", 1, None, 5, Retry(2, 3, 5)),
        # But not against what another attempt cannot change, nor against a person.
        ("data_missing", 1, 5, 1, None),
        ("storage_limit", 1, 5, 1, None),
        ("store_refused", 1, 5, 1, None),
        ("store_away", 1, None, None, Retry(2, 3, 60.0)),
        ("canceled", 1, 5, 1, None),
        # What this studio does not know is a fault of its own.
        ("martian", 1, None, None, None),
        ("martian", 1, 1, None, Retry(2, 2, 0)),
        (None, 1, 1, None, Retry(2, 2, 0)),
    ],
)
def test_what_follows_an_attempt(
    cause: str | None, number: int, retries: int | None, delay: float | None, follows: Retry | None
) -> None:
    assert next_try(cause, number, retries, delay) == follows


@pytest.mark.parametrize("cause", [*CAUSES, "martian", None])
@pytest.mark.parametrize("retries", [None, 0, 1, 7])
def test_every_step_comes_to_an_end(cause: str | None, retries: int | None) -> None:
    number = 1
    while (retry := next_try(cause, number, retries, 1)) is not None:
        assert retry.number == number + 1 <= retry.of == attempts_allowed(cause, retries)
        number = retry.number
    assert number == attempts_allowed(cause, retries)


@pytest.mark.parametrize(
    ("expected", "kept"),
    [
        (GOOD, GOOD),
        ({**GOOD, "container": "removed", "more": 1}, {**GOOD, "container": "removed"}),
        ({**GOOD, "container": "<b>"}, GOOD),
        ({**GOOD, "signals": ["KILL", "TERM", "HUP", 9]}, {**GOOD, "signals": ["TERM", "KILL"]}),
        ({**GOOD, "left_over": "none"}, None),
        ({**GOOD, "seconds": None}, None),
        ({**GOOD, "seconds": float("nan")}, None),
        ({**GOOD, "seconds": float("inf")}, None),
        ({**GOOD, "seconds": -1}, None),
        ({**GOOD, "left_over": -1}, None),
        ({**GOOD, "left_over": True}, None),
        ({"left_over": 0}, None),
        ([GOOD], None),
        (None, None),
    ],
)
def test_a_proof_is_kept_as_far_as_it_can_be_read(expected: Any, kept: Any) -> None:
    try:
        reported = of_document(expected, Proof).message
    except NotUnderstood:
        assert kept is None
    else:
        assert proof_of(reported) == kept


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        (None, ""),
        ({"left_over": 0, "signals": [], "seconds": 0}, "Nothing of it was running."),
        (GOOD, "Ended with TERM in 0.2 s, nothing left running."),
        (
            {"left_over": 2, "signals": ["TERM", "KILL"], "seconds": 10.25, "container": "removed"},
            "Ended with TERM then KILL in 10 s, 2 of its processes still running, its container removed.",
        ),
    ],
)
def test_a_proof_in_words(proof: Any, words: str) -> None:
    assert proof_words(proof) == words


def test_of_a_script_that_ended_by_itself_the_proof_is_about_what_it_left() -> None:
    words = "The processes that it left were ended with TERM in 0.2 s, nothing left running."
    assert proof_words(GOOD, by_itself=True) == words


def test_every_cause_fits_its_column_and_has_a_word_of_its_own_and_an_icon() -> None:
    longest = Attempt._meta.get_field("cause").max_length or 0
    drawn = (ROOT / "static/icons.svg").read_text()
    for code, cause in CAUSES.items():
        assert len(code) <= longest and str(cause.word)
        assert f'id="{cause.icon}"' in drawn
    assert len({str(cause.word) for cause in CAUSES.values()}) == len(CAUSES)
    assert cause_of("martian") is CAUSES["studio_fault"]


def test_the_page_of_reliability_says_what_the_table_says() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE)
    facts = {code: (word.strip(), retries.strip(), heeds.strip()) for code, word, retries, heeds in rows}
    assert facts == {
        code: (str(cause.word), str(cause.retries or "–"), "yes" if cause.heeds else "no")
        for code, cause in CAUSES.items()
    }
