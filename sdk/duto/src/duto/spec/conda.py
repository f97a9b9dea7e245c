"""The part of a recipe that only conda can install: when there is one, its channels and packages, and what it is
that PyPI has not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Tuple

from duto.spec.errors import Problem
from duto.spec.packages import is_conda_only, is_own, normalise
from duto.spec.sentences import Said, said

DEFAULT_CHANNEL = "conda-forge"
MOST_CHANNELS, MOST_PACKAGES, LONGEST = 20, 2000, 300
# Their Python packages are on PyPI too: naming one of these says nothing of where a package has to come from.
USUAL = frozenset(
    [
        "defaults",
        "main",
        "free",
        "anaconda",
        "conda-forge",
        "pytorch",
        "nvidia",
        "intel",
        "fastai",
        "huggingface",
        "nodefaults",
    ]
)
_PLACE = re.compile(r"^https?://(?:conda\.anaconda\.org|repo\.anaconda\.com/pkgs|conda\.binstar\.org)/([\w.-]+)/?$")
_CHANNEL = re.compile(r"^(?:https?://[A-Za-z0-9][\w.:-]*(?:/[\w.~%+:-]*)*|[A-Za-z0-9_][\w.-]*(?:/[\w.-]+)*)$")
_NAME = re.compile(r"^(?:(?P<channel>[^\s:][^\s]*)::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9._-]*)")
_SPEC = re.compile(r"^[A-Za-z0-9_][\w.:/ *=<>!,|~+\-\[\]'\"()]*$")


@dataclass(frozen=True)
class Conda:
    """`channels` in their order, `packages` sorted, both as conda writes them."""

    channels: Tuple[str, ...]
    packages: Tuple[str, ...]

    def to_document(self) -> Dict[str, List[str]]:
        return {"channels": list(self.channels), "packages": list(self.packages)}


def is_needed(packages: Iterable[str], channels: Iterable[str]) -> bool:
    """Whether this list means packages that PyPI has not: by their names, or because of an unusual channel."""
    lines = [_plain(line) for line in packages]
    if any(is_conda_only(name_of(line)) for line in lines if line):
        return True
    named = [_channel_of(line) for line in lines]
    return bool(lines) and any(_is_unusual(each) for each in (*channels, *named) if each)


def only_there(section: Mapping[str, Any]) -> List[str]:
    """The names of the packages for which conda is needed: those that are nowhere else, else all of them."""
    names = [name_of(str(each)) for each in section.get("packages") or ()]
    return [name for name in names if is_conda_only(name)] or names


def section_of(packages: Iterable[str], channels: Iterable[str], problems: List[Problem]) -> Conda:
    """The section of these lists, without Python itself and the SDK's own packages, which every step has. What is no
    package or no channel is added to `problems`."""
    kept = sorted({line for line in map(_plain, packages) if line and not _is_given(name_of(line))})
    places = [each for each in dict.fromkeys(str(each).strip() for each in channels) if each and each != "nodefaults"]
    problems += [
        Problem("bad_requirement", f"{line!r} is no conda package.")
        for line in kept
        if not _SPEC.match(line) or len(line) > LONGEST
    ]
    problems += [
        Problem("bad_requirement", f"{each!r} is no conda channel: a name, or an http(s) address without a password.")
        for each in places
        if not _CHANNEL.match(each) or len(each) > LONGEST
    ]
    if len(kept) > MOST_PACKAGES or len(places) > MOST_CHANNELS:
        text = f"An environment may list {MOST_PACKAGES} conda packages and {MOST_CHANNELS} channels at most."
        problems.append(Problem("bad_requirement", text))
    return Conda(tuple(places) or (DEFAULT_CHANNEL,), tuple(kept))


def name_of(line: str) -> str:
    """The package's name of a line; the line itself where it has none."""
    found = _NAME.match(line.strip())
    return found.group("name") if found else line


def refusal(names: Iterable[str]) -> Said:
    """What is said where nobody can install them."""
    return said("only_conda", names=", ".join(dict.fromkeys(names)))


def _plain(line: str) -> str:
    return " ".join(str(line).split("#")[0].split())


def _is_given(name: str) -> bool:
    return normalise(name) == "python" or is_own(name)


def _channel_of(line: str) -> str:
    found = _NAME.match(line)
    return (found.group("channel") or "") if found else ""


def _is_unusual(channel: str) -> bool:
    found = _PLACE.match(channel)
    return (found.group(1) if found else channel) not in USUAL
