"""Which images a Dockerfile begins with. Pure.

The engine's builder may take images that are here, but has nobody to ask who we are to a registry: so they are fetched
before, by the engine itself.
"""

from __future__ import annotations

import re

_ARG = re.compile(r"^ARG\s+(\w+)=(\S+)", re.I)
_FROM = re.compile(r"^FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.I)
_COPY = re.compile(r"^(?:COPY|ADD)\s+(?:--\S+\s+)*?--from=(\S+)", re.I)
_MOUNT = re.compile(r"\s--mount=(?:\S*,)?from=([^\s,]+)", re.I)
_COMMENT = re.compile(r"^[ \t]*#.*$", re.M)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")


def images_of(dockerfile: str) -> list[str]:
    """Names of images in `FROM` and `--from=`, without its own stages; arguments have their defaults. One that is not
    understood is left to the builder."""
    text = re.sub(r"\\\s*\n", " ", _COMMENT.sub("", dockerfile))
    values: dict[str, str] = {}
    stages, found = {"scratch"}, list[str]()
    for line in (line.strip() for line in text.splitlines()):
        if given := _ARG.match(line):
            values.setdefault(given[1], given[2].strip("\"'"))
        elif begun := _FROM.match(line):
            found += _images([begun[1]], stages, values)
            stages.add((begun[2] or "").lower())
        elif taken := _COPY.match(line):
            found += _images([taken[1]], stages, values)
        elif line.upper().startswith("RUN"):
            found += _images(_MOUNT.findall(line), stages, values)
    return list(dict.fromkeys(found))


def _images(names: list[str], stages: set[str], values: dict[str, str]) -> list[str]:
    filled = [_VARIABLE.sub(lambda m: values.get(m[1] or m[3]) or m[2] or m[0], name) for name in names]
    return [name for name in filled if name.lower() not in stages and not name.isdigit() and "$" not in name]
