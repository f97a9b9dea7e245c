"""Every sentence that a host says to the studio can be told in another language."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation

import duto
import duto.spec
import duto.tables
import duto_agent
from compute import stored_messages as compute
from core import sentences
from datasets import stored_messages as datasets
from duto.spec.sentences import SENTENCES, Said, foreign, parts_in, said, with_said
from duto_agent.worded import Worded
from duto_protocol.messages import BuildReport
from duto_protocol.reading import of_document
from environments import stored_messages as environments
from runs import stored_messages
from studio.words import catalogues, po

ROOT = Path(__file__).resolve().parents[1]
HOLE = re.compile(r"%\((\w+)\)s")
FOLDERS = [Path(str(package.__file__)).parent for package in (duto_agent, duto.spec, duto.tables)]
CHILD = ROOT / "datasets" / "tables_child.py"
# Of those that say sentences, whether or not all that they say is for people.
SAYING = [path for package in (duto_agent, duto) for path in sorted(Path(str(package.__file__)).parent.rglob("*.py"))]
SOURCES = [CHILD, *(path for folder in FOLDERS for path in sorted(folder.rglob("*.py")))]
SAYING += [CHILD, ROOT / "environments" / "services" / "versions.py", ROOT / "datasets" / "references.py"]
SAYING += [ROOT / "runs" / "services" / "submission" / "checks.py"]
# Calls that give their first or second argument to people.
TOLD = {"TableError": 0, "Misfit": 0, "Cause": 1, "Cut": 1, "last_word": 1, "leave_out": 1}


def calls(source: str) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))


def name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def worded() -> set[str]:
    """The names of all errors whose message is for people."""
    for module in pkgutil.walk_packages(duto_agent.__path__, "duto_agent."):
        if "__main__" not in module.name and ".shim" not in module.name:
            importlib.import_module(module.name)
    found, pending = set(), [Worded]
    while pending:
        found.add(pending[-1].__name__)
        pending = [*pending[:-1], *pending[-1].__subclasses__()]
    return found


def said_plainly(source: str, errors: set[str]) -> list[str]:
    """Texts that are given to people as they are, and not by their code."""
    found = []
    for call in calls(source):
        place = TOLD.get(name_of(call), 0 if name_of(call) in errors else None)
        if name_of(call) == "append" and "warnings" in ast.unparse(call.func):
            place = 0
        if place is None or len(call.args) <= place:
            continue
        given = call.args[place]
        if isinstance(given, ast.JoinedStr | ast.BinOp) or (isinstance(given, ast.Constant) and given.value):
            found.append(f"{call.lineno}: {ast.unparse(given)}")
    return found


def test_an_agent_says_nothing_to_people_that_has_no_code() -> None:
    errors = worded()
    assert {"BuildFailed", "DataMissing", "LaunchFailed", "DiskFull", "EngineAway"} <= errors
    plain_texts = {path.name: said_plainly(path.read_text(), errors) for path in SOURCES}
    assert {name: texts for name, texts in plain_texts.items() if texts} == {}


@pytest.mark.parametrize(
    "source",
    ["raise BuildFailed(f'No {x}.')", "Cause('lost', 'It is gone.')", "self.warnings.append('a' + b)"],
)
def test_an_agent_that_says_something_plainly_is_found(source: str) -> None:
    assert said_plainly(source, {"BuildFailed"})


def test_every_sentence_is_said_with_its_facts() -> None:
    wrong = []
    for path in SAYING:
        for call in calls(path.read_text()):
            code = call.args[0] if call.args else None
            if name_of(call) != "said" or not isinstance(code, ast.Constant) or any(not k.arg for k in call.keywords):
                continue
            needed = set(HOLE.findall(SENTENCES.get(str(code.value), "%(no such code)s")))
            if needed != {keyword.arg for keyword in call.keywords}:
                wrong.append(f"{path.name}:{call.lineno}: {code.value} is made of {sorted(needed)}")
    assert wrong == []


def test_every_sentence_is_said_somewhere_and_has_places_for_facts_alone() -> None:
    literals = {
        node.value
        for path in SAYING
        if path.name != "sentences.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert SENTENCES.keys() - literals - {"foreign"} == set()
    for template in (*SENTENCES.values(), *stored_messages.OTHERS.values()):
        assert "%" not in HOLE.sub("", template), template


def test_no_code_means_two_sentences() -> None:
    tables = [
        set(SENTENCES),
        set(compute.SENTENCES),
        set(environments.SENTENCES),
        set(datasets.SENTENCES),
        {*stored_messages.SENTENCES, *stored_messages.OF_CODE},
    ]
    assert sum(map(len, tables)) == len(set().union(*tables))


@pytest.mark.parametrize("path", catalogues.catalogues(ROOT), ids=catalogues.language)
def test_every_sentence_is_translated(path: Path) -> None:
    catalogue = po.read(path.read_text())
    texts = {
        text
        for text in (*SENTENCES.values(), *stored_messages.OTHERS.values())
        if re.search("[a-z]", HOLE.sub("", text))
    }
    assert [text for text in texts if not po.forms(catalogue.get(text))] == []


def test_a_sentence_within_another_is_told_in_the_language_too() -> None:
    text = said("left_out", what=said("output_named", name="m"), why=said("unreadable_file", error="Is a directory"))
    report = of_document(with_said({"message": "", "warnings": [text]}), BuildReport).message
    plain = "'output m' was left out: it cannot be read (Is a directory)."
    kept = sentences.of_parts(plain, report.parts_of(plain))
    assert sentences.localized(kept) == text
    with translation.override("pt-pt"):
        assert sentences.localized(kept) == "'saída m' ficou de fora: não é possível lê-lo (Is a directory)."


def test_a_size_has_the_mark_of_the_language() -> None:
    kept = sentences.keep(said("memory_limit", held="1.5 GiB", limit="512 MiB"))
    with translation.override("pt-pt"):
        assert "1,5 GiB de memória, mais do que os 512 MiB" in sentences.localized(kept)


@pytest.mark.parametrize(
    "parts",
    [
        None,
        "exit_code",
        {"code": "no such code", "facts": {}},
        {"code": ["exit_code"], "facts": {"code": 3}},
        {"code": "exit_code", "facts": []},
        {"code": "exit_code", "facts": {}},
        {"code": "exit_code", "facts": {"code": 4}},
        {"code": "exit_code", "facts": {"code": {"text": "3", "code": "exit_code", "facts": {}}}},
    ],
)
def test_what_does_not_say_the_text_is_not_believed(parts: object) -> None:
    text = "The script ended with exit code 3."
    assert parts_in({"said": {text: parts}}, text) is None
    assert of_document({"said": {text: parts}}, BuildReport).message.parts_of(text) is None


def test_a_text_of_another_release_is_told_as_it_was_said() -> None:
    kept = {"text": "The script was over with exit code 3.", "code": "exit_code", "facts": {"code": 3}}
    with translation.override("pt-pt"):
        assert sentences.localized(kept) == kept["text"]
        assert sentences.localized({**kept, "text": "The script ended with exit code 3."}).startswith(
            "O script terminou"
        )


def test_a_sentence_stays_one_on_its_way_through_errors() -> None:
    text = said("no_uv")
    assert str(Worded(text)) is text and isinstance(str(RuntimeError(text)), Said)
    assert foreign(text) is text and foreign("What uv says.").code == "foreign"
