"""What every change must keep: imports that go one way, and a clean bill from the linter."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from vulture import Vulture

from studio.bootstrap import ROOT

BIN = Path(sys.executable).parent


def test_imports_go_down() -> None:
    done = subprocess.run([BIN / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_contracts_have_no_exceptions() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert len(contracts) > 5 and not any(
        each.get("ignore_imports") or each.get("skip_descendants") for each in contracts
    )


def test_the_linter_has_nothing_to_say() -> None:
    command = [BIN / "ruff", "check", "--no-cache", "--output-format", "concise", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


def test_templates_and_scripts_are_as_their_formatters_write_them() -> None:
    templates = [BIN / "djangofmt", "--check", "templates"]
    scripts = [BIN / "oxfmt", "--list-different", "static/**/*.js", "frontend/*.mjs"]
    for command in (templates, scripts):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_no_line_of_a_template_is_longer_than_a_window_is_wide() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "templates").rglob("*.html"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 160
    ]
    assert not long, long


def test_the_types_hold() -> None:
    apps = [
        "core",
        "workspaces",
        "datasets",
        "environments",
        "compute",
        "registry",
        "pipelines",
        "runs",
        "monitors",
        "schedules",
        "notifications",
        "studio",
    ]
    packages = ["sdk/duto/src/duto", "sdk/azureml/src/azureml", "agent/src/duto_agent", "protocol/src/duto_protocol",
                "benchmarks"]  # fmt: skip
    command = [BIN / "mypy", "--no-error-summary", *apps, *packages]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


def test_nothing_is_there_that_nobody_uses() -> None:
    """A name is used by code that is not a test, by a template, by the settings, or by the SDK's reference."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["vulture"]
    finder = Vulture(ignore_names=found["ignore_names"], ignore_decorators=found["ignore_decorators"])
    finder.scavenge([str(ROOT / path) for path in found["paths"]], exclude=found["exclude"])
    readers = [
        *(ROOT / "templates").rglob("*.html"),
        *(ROOT / "docs/sdk-reference").glob("*.md"),
        ROOT / "studio/settings.py",
    ]
    words = {word for path in readers for word in re.findall(r"\w+", path.read_text())}
    unused = [
        f"{Path(each.filename).relative_to(ROOT)}:{each.first_lineno} {each.typ} {each.name}"
        for each in finder.get_unused_code(min_confidence=60)
        # Fields of models, serializers and dataclasses are names too, and arguments belong to who calls.
        if each.typ not in ("variable", "attribute")
        and each.name not in words
        # Serves the tests.
        and not Path(each.filename).is_relative_to(ROOT / "studio/testing")
    ]
    assert unused == []


# Loaded by others: Django's hasher and its database backend, and what the SDK uses where it is installed.
BY_OTHERS = {"argon2-cffi", "psycopg", "dulwich", "tzdata"}


def test_what_runs_depends_on_what_it_imports_alone() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = {re.split(r"[^\w-]", each)[0] for each in project["project"]["dependencies"]}
    code = [
        path.read_text()
        for folder in project["tool"]["vulture"]["paths"]
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not path.is_relative_to(ROOT / "studio/testing")
    ]
    imported = {name.split(".")[0] for text in code for name in _imports(text)}
    imported |= set(re.findall(r'"(\w+)', "".join(code)))
    modules = packages_distributions()
    used = {name.lower().replace("_", "-") for module in imported for name in modules.get(module, [])}
    assert asked - used - BY_OTHERS - project["tool"]["uv"]["sources"].keys() == set()


def _imports(text: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(text)))
    plain = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
    return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
