"""The files of every language: locale/<xx_YY>/LC_MESSAGES/django.po, beside it the .mo, and static/words/<xx-yy>.js."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from studio.words import collect, compiled, po


def catalogues(root: Path) -> list[Path]:
    """The .po file of each language."""
    return sorted((root / "locale").glob("*/LC_MESSAGES/django.po"))


def language(path: Path) -> str:
    """The language of a .po file as an address and Django's settings name it: `pt-pt`."""
    return path.parts[-3].lower().replace("_", "-")


def files(root: Path, path: Path) -> dict[Path, bytes]:
    """What stands in the three files of a language when it is up to date. Raises ValueError for a broken .po."""
    now = po.read(path.read_text())
    now.update(collect.everything(root), no_fuzzy_matching=True)
    return {
        path: po.write(now),
        path.with_suffix(".mo"): compiled.binary(now),
        root / "static" / "words" / f"{language(path)}.js": compiled.script(now, collect.of_scripts(root)).encode(),
    }


def missing(path: Path) -> int:
    """How many texts a language leaves to English."""
    return sum(not po.forms(message) for message in po.read(path.read_text()))


def renew(root: Path) -> Iterator[tuple[str, int]]:
    """Write all files; tell each language with the number of its texts that are not translated."""
    for path in catalogues(root):
        for file, content in files(root, path).items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        yield language(path), missing(path)
