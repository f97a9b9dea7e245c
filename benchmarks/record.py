"""Keep what was measured: `results.json`, and the measured columns of the table in `README.md`."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS, README = HERE / "results.json", HERE / "README.md"
# The table's columns that are written here; the others are a person's.
MEASURED = ("measured", "floor", "ratio", "met")
PIPE = " | "


def machine() -> dict[str, Any]:
    """What the figures depend on. No name: it says nothing about speed."""
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages * page / (1 << 30), 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def keep(results: list[dict[str, Any]], path: Path = RESULTS, readme: Path = README) -> None:
    """Replace the results of the same name and database, and show all that are known in the table."""
    known = json.loads(path.read_text())["results"] if path.exists() else {}
    for result in results:
        known.setdefault(result["bench"], {})[result["db"]] = result
    document = {"machine": machine(), "results": dict(sorted(known.items()))}
    path.write_text(json.dumps(document, indent=2) + "\n")
    readme.write_text(with_figures(readme.read_text(), document))


def with_figures(text: str, document: dict[str, Any]) -> str:
    """The page with the measured columns of each row that has a result."""
    lines = text.split("\n")
    columns: list[str] = []
    for place, line in enumerate(lines):
        cells = line.strip().strip("|").split("|")
        names = [cell.strip() for cell in cells]
        if not line.startswith("|"):
            columns = []
        elif set(MEASURED) <= set(names):
            columns = names
        elif columns and (found := document["results"].get(names[0].strip("`"))):
            shown = dict(zip(columns, names, strict=True)) | _cells(found)
            lines[place] = f"| {PIPE.join(shown[name] for name in columns)} |"
    facts = document["machine"]
    measured = f"Measured on {facts['cores']} cores, {facts['memory_gib']:g} GiB, Python {facts['python']}."
    return "\n".join(measured if line.startswith("Measured on ") else line for line in lines)


def _cells(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    """One cell a column; with figures of both databases, SQLite's come first."""
    rows = [found[name] for name in ("sqlite", "postgres") if name in found]
    marks = {"sqlite": "", "postgres": " (PostgreSQL)"}
    return {
        "measured": "; ".join(f"{number(row['value'])} {row['unit']}{_more(row)}{marks[row['db']]}" for row in rows),
        "floor": "; ".join("–" if row["floor"] is None else f"{number(row['floor'])}" for row in rows),
        "ratio": "; ".join("–" if row["ratio"] is None else f"{number(row['ratio'])}" for row in rows),
        "met": "; ".join("yes" if row["met"] else "**no**" for row in rows),
    }


def _more(row: dict[str, Any]) -> str:
    """The further figures that a goal speaks of."""
    words = row["goal"].split()
    named = [name for name in row["figures"] if name in words]
    return "".join(f", {name} {number(row['figures'][name])}" for name in named)


def number(value: float) -> str:
    """Three digits say all that a median of five knows."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
