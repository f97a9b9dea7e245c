"""Names that were given up for the field's own do not come back: as a module, or as a class or function at the top of one."""

from __future__ import annotations

import ast

from studio.bootstrap import ROOT

# A module may have a plain name again where it means the plain thing: these are told by what they stood beside.
MODULES = {
    "agent/src/duto_agent": (
        "room shelf making bases prefixes workshop services bell doorbell isolation weighing traces endings hostfacts"
    ),
    "core": "journal postman beats",
    "compute": "room line fleet told",
    "compute/services": "upkeep terms hostcard",
    "datasets": "places told",
    "environments": "told",
    "runs": "told",
    "runs/agents": "bell",
    "runs/services": (
        "board changes wishes fleet nodes lost silence departures retire sweep edit finish conda demolition founding below closing"
    ),
    "runs/web": "deeds offers",
    "studio/supervisor": "house",
    "benchmarks": "ground",
    "benchmarks/chaos": "blows docks",
}
NAMES = {
    "Room", "Line", "Need", "Slot", "Machine", "Place", "Wish", "Wishes", "Fleet", "Board", "Outrun", "House", "Bell", "Doorbell",
    "Shelf", "Making", "Round", "Rounds", "Teller", "Hands", "Workshop", "Walls", "Endings",
    "changing", "keep_going",
}  # fmt: skip


def test_retired_modules_stay_away() -> None:
    back = [
        f"{folder}/{name}.py"
        for folder, names in MODULES.items()
        for name in names.split()
        if (ROOT / folder / f"{name}.py").exists()
    ]
    assert not back, f"retired names: {back}; docs/glossary.md has the words"


def test_retired_classes_and_functions_stay_away() -> None:
    back = []
    for place in (
        "core",
        "workspaces",
        "datasets",
        "environments",
        "compute",
        "registry",
        "pipelines",
        "runs",
        "studio",
        "agent/src",
    ):
        for file in (ROOT / place).rglob("*.py"):
            if "migrations" in file.parts:
                continue
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in NAMES:
                    back.append(f"{file.relative_to(ROOT)}: {node.name}")
    assert not back, f"retired names: {back}; docs/glossary.md has the words"
