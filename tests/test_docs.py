"""The documents are held to the code: links lead somewhere, states and commands are those that exist."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
from pathlib import Path

import pytest

from compute.models import Node
from datasets.models import DatasetVersion, ProfileRun
from duto.cli import commands, main
from environments.models import EnvironmentBuild, Image
from runs.models import Attempt, Run
from workspaces.services.distributions import install_command

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "SECURITY.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
    ]
)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


@pytest.mark.parametrize("document", PAGES, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(document: Path) -> None:
    broken = [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("model", [Run, Attempt, Node, EnvironmentBuild, Image, DatasetVersion, ProfileRun])
def test_the_architecture_names_every_state(model: type) -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    states = text[text.index("## States") : text.index("## Where the plan")]
    assert [state for state in model.Status.values if not re.search(rf"\b{state}\b", states)] == []


# Those of the reference are signatures, made of the code.
WRITTEN = [page for page in PAGES if page.parent.name != "sdk-reference"]


@pytest.mark.parametrize("document", WRITTEN, ids=lambda document: str(document.relative_to(ROOT)))
def test_programs_of_a_page_import_what_there_is(document: Path) -> None:
    missing = []
    for program in re.findall(r"```python\n(.*?)```", document.read_text(), re.DOTALL):
        for node in ast.walk(ast.parse(program)):
            if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in ("azureml", "duto"):
                module = importlib.import_module(str(node.module))
                missing += [f"{node.module}.{each.name}" for each in node.names if not hasattr(module, each.name)]
    assert missing == []


def test_the_architecture_names_every_app() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    apps = [path.parent.name for path in ROOT.glob("*/apps.py")]
    assert [name for name in apps if f"`{name}/`" not in text] == []


def test_the_readme_shows_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    for command in ("python3 manage.py demo", "python3 manage.py test"):
        assert f"$ {command}\n" in text


def test_the_page_and_the_readme_give_the_same_lines_to_run_a_program() -> None:
    page = (ROOT / "templates/components/sample_program.html").read_text()
    (line,) = re.findall(r'with text="([^"|]+)" %', page)
    address = "https://duto.example.org"
    assert "{% install_command as line %}" in page and '"duto login "|add:address' in page
    for command in (line, install_command(address), f"duto login {address}"):
        assert f"$ {command}\n" in (ROOT / "README.md").read_text()


def test_the_commands_and_exit_codes_are_those_of_the_sdk_page() -> None:
    text = (ROOT / "docs/sdk.md").read_text()
    (found,) = [each for each in main.parser()._actions if isinstance(each, argparse._SubParsersAction)]
    assert re.findall(r"^\| `duto (\w+)", text, re.MULTILINE) == [*found.choices]
    codes = {main.REFUSED, main.USAGE, main.NOT_ALLOWED, main.NOT_FOUND, main.UNAVAILABLE, main.INTERRUPTED}
    codes |= {0, commands.FAILED, commands.CANCELED}
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)] == sorted(codes)


def test_twelve_tasks_of_a_newcomer_name_the_files_where_they_begin() -> None:
    """That the files are there is held by the test of links."""
    rows = [
        line
        for line in (ROOT / "docs/contributing.md").read_text().split("\n")
        if line.startswith("| ") and "](" in line
    ]
    assert len(rows) == 12
    assert all(len(LINK.findall(row)) in (1, 2) for row in rows)


def test_no_page_speaks_of_anything_but_the_project() -> None:
    words = re.compile(r"/work/|/opt/|pypi\.org|files\.pythonhosted|registry\.npmjs", re.IGNORECASE)
    found = {page.name: words.findall(page.read_text()) for page in PAGES}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_every_package_says_what_it_does_and_who_calls_it() -> None:
    tops = [*(path.parent for path in ROOT.glob("*/apps.py")), ROOT / "agent/src/duto_agent", ROOT / "benchmarks"]
    terse = []
    for file in sorted(file for top in tops for file in top.rglob("__init__.py")):
        if {"migrations", "management", "commands", "templatetags"} & set(file.parts) or file.parent in tops[-2:]:
            continue
        text = ast.get_docstring(ast.parse(file.read_text())) or ""
        if "\n\n" not in text and "models" not in file.parts:
            terse.append(str(file.relative_to(ROOT)))
    assert terse == []
