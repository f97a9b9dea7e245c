"""What the definition of an environment says of Spark: of which line its pyspark is, and whether it may bring Java. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from duto.spec.spark import LINES, line_of

# A release of each line that bounds do not leave out by chance: the last of it.
LAST = ("2.4.99", "3.2.99", "3.99", "4.99")
_NAMES_IT = re.compile(r"(?:[\w.-]+::)?pyspark(?![\w.-])", re.IGNORECASE)
# How conda writes "of this release".
_FUZZY = re.compile(r"(?<![=<>!~])=\s*(\d+(?:\.\d+)*)(?:=[^=,]*)?$")
_JAVAS = re.compile(r"(?:[\w.-]+::)?(?:openjdk|java-jdk)\b", re.IGNORECASE)


def of(definition: Mapping[str, Any]) -> str:
    """One of `duto.spec.spark.LINES`; empty where only its build, or its own Python, will tell."""
    python = definition.get("python") or {}
    known = {"python_version": str(python.get("version") or "")}
    for text in _lines(definition):
        if not _NAMES_IT.match(text):
            continue
        try:
            wanted = Requirement(_FUZZY.sub(r"==\1.*", text.partition(" --hash")[0].rpartition("::")[2].strip(" \\")))
        except InvalidRequirement:
            return ""
        if wanted.marker is None or wanted.marker.evaluate(known):
            return _line_of(wanted)
    return ""


def _line_of(wanted: Requirement) -> str:
    """The newest of the lines that it lets in. Whether that is the 4 or an earlier one hangs on the Python as well."""
    named = [each.version.removesuffix(".*") for each in wanted.specifier if each.operator in ("==", "~=", "===")]
    fitting = {line_of(each) for each in (*LAST, *named) if wanted.specifier.contains(each, prereleases=True)}
    fitting = fitting or {line_of(each) for each in named}
    is_open = LINES[-1] in fitting and len(fitting) > 1
    return "" if is_open or not fitting else max(fitting, key=LINES.index)


def may_bring_java(definition: Mapping[str, Any]) -> bool:
    """Whether it names an image of its own, or conda's Java: then in a container there may be one."""
    docker, conda = definition.get("docker") or {}, (definition.get("python") or {}).get("conda") or {}
    return bool(docker.get("image") or docker.get("dockerfile")) or any(
        map(_JAVAS.match, _texts(conda.get("packages")))
    )


def _lines(definition: Mapping[str, Any]) -> Iterator[str]:
    """What its Python is made of, the locks of a curated one first."""
    python = definition.get("python") or {}
    for lock in (definition.get("locks") or {}).values():
        yield from str(lock).splitlines()
    yield from _texts(python.get("packages"))
    yield from _texts((python.get("conda") or {}).get("packages"))


def _texts(given: Iterable[Any] | None) -> list[str]:
    return [str(each).strip() for each in given or ()]
