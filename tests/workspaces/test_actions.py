"""Every action that the audit names has words, and no words are left of actions that nobody does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.utils import translation

from studio.words.collect import APPS
from workspaces import actions
from workspaces.models import AuditEntry

ROOT = Path(__file__).resolve().parents[2]
WRITERS = frozenset({"audit.note", "audit.note_outside", "audit.write", "edits.note", "by or _by_studio", "_noted(by)"})
CODE = re.compile(r"[a-z]+\.[a-z_]+")


def codes_of(source: str) -> Iterator[str]:
    """What calls of the audit name, by themselves or by a name that stands for it."""
    tree = ast.parse(source)
    assigned = [each for each in ast.walk(tree) if isinstance(each, ast.Assign)]
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or ast.unparse(call.func) not in WRITERS:
            continue
        names = {each.id for each in call.args[:2] if isinstance(each, ast.Name)}
        values = [each.value for each in assigned if ast.unparse(each.targets[0]) in names]
        for place in (*call.args[:2], *values):
            texts = (each.value for each in ast.walk(place) if isinstance(each, ast.Constant))
            yield from (text for text in texts if isinstance(text, str) and CODE.fullmatch(text))


def test_every_action_that_the_audit_names_has_words():
    named = {
        code
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        if re.search(r"\b(audit|edits)\.", source := path.read_text())
        for code in codes_of(source)
    }
    assert named == actions.WORDS.keys()


def test_an_action_is_told_in_the_readers_language_and_an_unknown_one_by_its_code():
    assert AuditEntry(action="host.drained").action_word == "Host drained"
    with translation.override("pt-pt"):
        assert AuditEntry(action="host.drained").action_word == "Anfitrião drenado"
        assert AuditEntry(action="moon.landed").action_word == "moon.landed"
