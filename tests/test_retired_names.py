"""Names that were given up for the field's own do not come back: as a module, or as a class or function at the top of one."""

from __future__ import annotations

import ast
import re

from studio.bootstrap import ROOT

# A module may have a plain name again where it means the plain thing: these are told by what they stood beside.
MODULES = {
    "agent/src/duto_agent": (
        "room shelf making bases prefixes workshop services bell doorbell isolation weighing traces endings hostfacts"
    ),
    "core": "journal postman beats",
    "compute/web": "machines pages hosts_pages hosts_views forms_views",
    "compute": "room line fleet told",
    "compute/services": "upkeep terms hostcard",
    "datasets": "places told",
    "datasets/web": "one staged",
    "environments": "told",
    "runs": "told lending",
    "runs/agents": "bell",
    "runs/services": (
        "board changes wishes fleet nodes lost silence departures retire sweep edit finish conda demolition founding below closing"
    ),
    "runs/services/planning": "places",
    "schedules/services": "causes",
    "runs/services/orchestration": "clusters children environment_builds",
    "runs/services/scheduling": "build_hosts image_builds",
    "runs/queries": "finding cluster_use",
    "runs/web": "deeds offers finding",
    "studio/supervisor": "house",
    "benchmarks": "ground lab",
    "tests": "house",
    "tests/runs": "told",
    "benchmarks/chaos": "blows docks",
}
PLACES = (
    "core", "workspaces", "datasets", "environments", "compute", "registry", "pipelines", "runs", "schedules", "monitors", "notifications", "studio", "agent/src",
    "sdk/duto/src", "benchmarks",
)  # fmt: skip
NAMES = {
    "Room", "Line", "Need", "Slot", "Machine", "Place", "Wish", "Wishes", "Fleet", "Board", "Outrun", "House", "Bell", "Doorbell",
    "Told", "Shelf", "Making", "Round", "Rounds", "Teller", "Hands", "Workshop", "Walls", "Endings",
    "changing", "keep_going",
    "Happening", "Spoken", "Prospect", "Look", "Foreseen", "Seat", "Hand", "Crowd", "complain", "greet", "Prospects", "foresee", "look_around", "reaching_back", "follow_back",
    "Blow", "Blows", "all_of_them", "all_of_mine", "look_after", "furnish", "ring", "rung", "lend",
}  # fmt: skip


def test_retired_modules_stay_away() -> None:
    back = [
        f"{folder}/{name}.py"
        for folder, names in MODULES.items()
        for name in names.split()
        if (ROOT / folder / f"{name}.py").exists()
    ]
    assert not back, f"retired names: {back}; docs/glossary.md has the words"


# Words that stood for something that the field has a word for: no variable, argument or attribute is called so.
WORDS = {
    "House": "WorkspaceScenario", "Lab": "RunScenario", "bell": "wakeup", "blow": "fault", "board": "run_state", "deed": "action",
    "deeds": "actions", "door": "client", "doorbell": "notify_address", "error_told": "localized_error", "house": "scenario",
    "happening": "event", "is_told": "is_reported", "is_unspoken": "has_no_runtime", "lab": "scenario", "message_told": "localized_message", "reason_told": "localized_reason", "rung": "woken",
    "told": "what it is: facts, answer, message, found",
    "unused_told": "localized_unused", "walled": "sandboxed", "warning_told": "localized_warning",
    "warnings_told": "localized_warnings", "wish": "what is asked or preferred", "wishes": "what is asked or preferred",
}  # fmt: skip


def test_retired_words_name_nothing() -> None:
    back = []
    for place in (*PLACES, "tests"):
        for file in (ROOT / place).rglob("*.py"):
            if {"migrations", "data"} & set(file.parts):
                continue
            for node in ast.walk(ast.parse(file.read_text())):
                name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None
                name = node.arg if isinstance(node, ast.arg | ast.keyword) else name
                name = node.name if isinstance(node, ast.ClassDef | ast.FunctionDef) else name
                if name in WORDS:
                    back.append(f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}: {name}, say {WORDS[name]}")
    assert not back, "\n".join(sorted(set(back)))


def test_retired_words_stand_in_no_template() -> None:
    """Django writes nothing for an attribute that is not there, so a template that keeps an old name fails without a word."""
    back = [
        f"{file.relative_to(ROOT)}: {name}, say {WORDS[name]}"
        for file in (ROOT / "templates").rglob("*.html")
        for tag in re.findall(r"{[{%].*?[}%]}", file.read_text(), re.DOTALL)
        for name in re.findall(r"[.|](\w+)", tag)
        if name in WORDS
    ]
    assert not back, "\n".join(sorted(set(back)))


def test_retired_classes_and_functions_stay_away() -> None:
    back = []
    for place in PLACES:
        for file in (ROOT / place).rglob("*.py"):
            if "migrations" in file.parts:
                continue
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in NAMES:
                    back.append(f"{file.relative_to(ROOT)}: {node.name}")
    assert not back, f"retired names: {back}; docs/glossary.md has the words"
