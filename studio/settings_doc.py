"""The reference of the settings, written from the settings themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo

from studio.config import ROOT, Config

PAGE = ROOT / "docs" / "settings.md"
BEGIN, END = "<!-- settings -->", "<!-- /settings -->"


def table() -> str:
    """One row per setting: name, default, meaning."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Config.model_fields.items():
        rows.append(f"| `DUTO_{name.upper()}` | {default(field)} | {meaning(field)} |")
    return "\n".join(rows)


def default(field: FieldInfo) -> str:
    """The default as one would write it."""
    value: Any = field.default
    if isinstance(value, Path):
        return f"`{value.relative_to(ROOT)}`"
    if value in ("", None):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def meaning(field: FieldInfo) -> str:
    """The description, with the choices where there are only some."""
    text = field.description or ""
    choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    return f"{text} One of {', '.join(f'`{choice}`' for choice in choices)}." if choices else text


def page(old: str) -> str:
    """The page with its table as the settings are now."""
    head, _, rest = old.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"
