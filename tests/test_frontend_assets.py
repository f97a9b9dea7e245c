"""What the pages load is there, is licensed, obeys the strict policy, and can be read in both themes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from studio.templatetags import duto

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "static"
APPS = (
    "core",
    "workspaces",
    "datasets",
    "environments",
    "compute",
    "registry",
    "pipelines",
    "runs",
    "schedules",
    "monitors",
    "notifications",
    "studio",
)
TEMPLATES = sorted(
    path for folder in (ROOT, *(ROOT / app for app in APPS)) for path in (folder / "templates").rglob("*.html")
)
SCRIPTS = sorted((STATIC / "js").glob("*.js"))
SHEETS = sorted((STATIC / "css").glob("*.css"))
SPRITE = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
AA = 4.5


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_comments(text: str) -> str:
    return re.sub(r"{#.*?#}|{% comment %}.*?{% endcomment %}", "", text, flags=re.S)


@pytest.mark.parametrize("path", TEMPLATES, ids=named)
def test_a_template_names_only_files_and_icons_that_exist(path: Path) -> None:
    text = path.read_text()
    for name in re.findall(r"{%\s*static\s+['\"]([^'\"]+)['\"]", text):
        assert (STATIC / name).exists(), name
    for name in re.findall(r"{%\s*icon\s+['\"]([^'\"]+)['\"]", text):
        assert name in SPRITE, name
    for name in re.findall(r"(?:picture)=['\"]([^'\"]+)['\"]", text):
        assert name in SPRITE, name


@pytest.mark.parametrize("path", TEMPLATES, ids=named)
def test_a_template_carries_neither_script_nor_style(path: Path) -> None:
    text = without_comments(path.read_text())
    assert not re.search(r"\s(?:on[a-z]+|hx-on[:\w-]*|style)\s*=", text)
    assert "<style" not in text
    assert "js:" not in text
    assert "javascript:" not in text
    for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", text, flags=re.S):
        assert not body.strip() or 'type="application/json"' in attributes


def test_every_stylesheet_is_loaded_and_every_loaded_one_exists() -> None:
    here = [*SHEETS, *(STATIC / "vendor").glob("*.css")]
    assert sorted(duto.STYLESHEETS) == sorted(path.relative_to(STATIC).as_posix() for path in here)


@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_a_script_imports_and_draws_only_what_exists(path: Path) -> None:
    text = path.read_text()
    for name in re.findall(r"(?:from|import|import\(|new URL\()\s*\"(\.[^\"]+)\"", text):
        assert (path.parent / name).resolve().is_file(), name
    for name in re.findall(r"\b(?:icon|mark)\(\"([a-z-]+)\"", text):
        assert name in SPRITE, name
    assert "eval(" not in text
    assert "new Function" not in text


@pytest.mark.parametrize("path", SHEETS, ids=named)
def test_a_stylesheet_refers_only_to_own_files(path: Path) -> None:
    text = path.read_text()
    for name in re.findall(r"url\(\"?([^)\"]+)\"?\)", text):
        assert (path.parent / name).resolve().is_file(), name
    assert "http" not in re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def test_states_are_the_same_on_both_sides_and_have_a_shape() -> None:
    text = (STATIC / "js" / "states.js").read_text()
    block = text[text.index("export const WORDS") : text.index("};")]
    words = dict(re.findall(r"^\s+(\w+): t\(\"([^\"]+)\"\)", block, flags=re.M))
    assert words == duto.WORDS
    for state in duto.STATES.values():
        assert state.icon in SPRITE
        assert (STATIC / "favicons" / f"{state.key.lower()}.svg").is_file()


def test_what_others_wrote_is_pinned_and_licensed() -> None:
    package = json.loads((ROOT / "frontend" / "package.json").read_text())
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text())
    legal = (STATIC / "vendor" / "LEGAL.txt").read_text()
    table = (ROOT / "THIRD_PARTY.md").read_text()
    for name, version in package["devDependencies"].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), f"{name} is not pinned"
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
        if name != "esbuild":
            assert f"{name} {version} (" in legal
            assert version in table
    assert "SIL OPEN FONT LICENSE" in legal
    hosts = {
        re.sub(r"^https?://([^/]+)/.*", r"\1", entry["resolved"])
        for entry in lock["packages"].values()
        if "resolved" in entry
    }
    assert hosts <= {"registry.npmjs.org"}


def test_every_shipped_file_of_others_is_named() -> None:
    table = (ROOT / "THIRD_PARTY.md").read_text()
    patterns = [name.replace("*", "[^/]*") for name in re.findall(r"`(static/[^`]+)`", table)]
    for path in sorted((STATIC / "vendor").rglob("*")):
        if path.is_file():
            assert any(re.match(pattern, named(path)) for pattern in patterns), path.name


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def tokens(theme: str) -> dict[str, str]:
    text = (STATIC / "css" / "tokens.css").read_text()
    pairs = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", text)
    return {name: light if theme == "light" else dark for name, light, dark in pairs}


STATES = ("idle", "queued", "preparing", "running", "completed", "reused", "failed", "canceled", "lost")
GROUNDS = ("ground", "surface", "raised", "sunken", "hover")
PAIRS = [
    *((ink, ground) for ink in ("ink", "ink-2", "ink-3", "accent") for ground in GROUNDS),
    *((state, ground) for state in STATES for ground in ("surface", "raised", "sunken", "hover", f"{state}-soft")),
    *((ink, f"{state}-soft") for state in STATES for ink in ("ink", "ink-2")),
    ("accent", "accent-soft"), ("ink", "accent-soft"), ("ink-2", "accent-soft"), ("ink-3", "accent-soft"), ("on-accent", "accent"), ("on-accent", "accent-2"), ("ink", "mark"),
]  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_can_be_read_on_every_ground(theme: str) -> None:
    colours = tokens(theme)
    poor = {
        pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2)
        for pair in PAIRS
        if contrast(colours[pair[0]], colours[pair[1]]) < AA
    }
    assert not poor
