"""The reference of the settings, written from the settings themselves."""

from __future__ import annotations

from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from studio.config import ROOT, Config

PAGE = ROOT / "docs" / "settings.md"
BEGIN, END = "<!-- settings -->", "<!-- /settings -->"


def table() -> str:
    """One row per setting: name, default, meaning."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for each in fields(Config):
        rows.append(f"| `DUTO_{each.name.upper()}` | {default(each)} | {meaning(each)} |")
    return "\n".join(rows)


def default(each: Field[Any]) -> str:
    """The default as one would write it."""
    value: Any = each.default
    if isinstance(value, Path):
        return f"`{value.relative_to(ROOT)}`"
    if value in ("", None):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def meaning(each: Field[Any]) -> str:
    """What it is about, with the choices where there are only some."""
    text, choices = str(each.metadata["about"]), each.metadata["one_of"]
    return f"{text} One of {', '.join(f'`{choice}`' for choice in choices)}." if choices else text


def page(old: str) -> str:
    """The page with its table as the settings are now."""
    head, _, rest = old.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"
