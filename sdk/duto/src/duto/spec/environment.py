"""Conda and pip lists as one recipe: a Python version and a list of requirements that pip's world can build.

Conda names that mean a PyPI package are renamed, Azure's own packages are left out because every step has the
SDK. Where something is named that only conda has, the conda list stays conda's as it was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Optional, Tuple

from duto.spec import canonical
from duto.spec import conda as conda_rules
from duto.spec.conda import Conda
from duto.spec.errors import Problem, SpecError
from duto.spec.packages import brought_by, from_conda, from_pip, is_own, normalise

SCHEMA = 1

# What a line of packages may hold, an address with its digest included.
LONGEST = 2000
_CONDA = re.compile(r"^(?:[\w./:-]+::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?P<rest>.*)$")
_PIP = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[(?P<extras>[^\]]*)\])?\s*(?P<rest>.*)$", re.DOTALL)
_VERSION = re.compile(r"(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Recipe:
    """What to build. `python` is `major.minor` or None for whatever is at hand; `packages` are requirements
    as pip reads them, sorted; `notes` tell what was renamed or left out, for people, and enter no digest. With
    `conda`, its packages come first and the Python with them."""

    python: Optional[str]
    packages: Tuple[str, ...]
    notes: Tuple[str, ...] = ()
    conda: Optional[Conda] = None

    @property
    def digest(self) -> str:
        document: Dict[str, Any] = {"schema": SCHEMA, "python": self.python, "packages": list(self.packages)}
        return canonical.digest({**document, **({"conda": self.conda.to_document()} if self.conda else {})})


def recipe(
    conda: Iterable[Any] = (), pip: Iterable[str] = (), python: Optional[str] = None, channels: Iterable[str] = ()
) -> Recipe:
    """The recipe of a conda list and a pip list.

    A conda list may hold `{"pip": [...]}` as conda files do, and `python=3.8`. Raises `SpecError` that names every
    line that is no requirement, package or channel (`bad_requirement`).
    """
    collector, lines, places = _Collector(python), [], [str(each) for each in channels]
    for item in conda:
        if isinstance(item, Mapping):
            for line in item.get("pip") or ():
                collector.pip(str(line))
        else:
            lines.append(str(item))
    needed = conda_rules.is_needed(lines, places)
    for line in lines:
        collector.conda(line, is_kept=needed)
    for line in pip:
        collector.pip(str(line))
    section = conda_rules.section_of(lines, places, collector.problems) if needed else None
    return collector.recipe(section)


def recipe_of(definition: Mapping[str, Any]) -> Recipe:
    """The recipe of an environment's definition (`docs/wire.md`). Raises `SpecError` as `recipe` does."""
    python = definition.get("python") or {}
    section = python.get("conda") or {}
    if not isinstance(section, Mapping) or not all(_is_texts(section.get(key)) for key in ("channels", "packages")):
        text = "'conda' of an environment is an object with 'channels' and 'packages', each a list of texts."
        raise SpecError([Problem("bad_requirement", text)])
    built = recipe(pip=python.get("packages") or (), python=python.get("version"))
    if not section.get("packages"):
        return built
    problems: List[Problem] = []
    found = conda_rules.section_of(section["packages"], section.get("channels") or (), problems)
    if problems:
        raise SpecError(problems)
    return replace(built, conda=found if found.packages else None)


def _is_texts(given: Any) -> bool:
    return given is None or (isinstance(given, (list, tuple)) and all(isinstance(each, str) for each in given))


def recipe_digest(definition: Mapping[str, Any]) -> str:
    """What identifies the build of a definition: its Python and its packages, neither its name nor its
    variables."""
    return recipe_of(definition).digest


def python_version(text: Optional[str]) -> Optional[str]:
    """`major.minor` of a version such as `3.8.13`, `=3.8`, `>=3.7`; None for none. Raises `SpecError`."""
    if text is None or not str(text).strip():
        return None
    found = _VERSION.search(str(text))
    if found is None:
        raise SpecError([Problem("bad_requirement", f"{text!r} is no version of Python.")])
    return found.group(1)


class _Collector:
    """Takes lines one by one, and remembers what is wrong, so that all of it is named at once."""

    def __init__(self, python: Optional[str]) -> None:
        self.python = python_version(python)
        self.found: Dict[str, str] = {}
        self.notes: List[str] = []
        self.problems: List[Problem] = []

    def conda(self, line: str, is_kept: bool = False) -> None:
        """One package of a conda list; where it `is_kept` conda's, only Python and what Azure's bring is taken."""
        if not self._is_one_line(line):
            return
        text = line.split("#")[0].strip()
        match = _CONDA.match(text)
        if match is None:
            if text:
                self._refuse(line)
            return
        name, rest = match.group("name"), match.group("rest")
        if normalise(name) == "python":
            self.python = python_version(rest) or self.python
            return
        if is_own(name):
            self._own(name, frozenset())
        elif not is_kept:
            self._add(from_conda(name), name, conda_version(rest), line)

    def pip(self, line: str) -> None:
        if not self._is_one_line(line):
            return
        text = re.sub(r"(?:^|\s)#.*$", "", line.strip()).strip()
        if not text:
            return
        if text.startswith("-"):
            self.notes.append(f"'{text}' is left out: the studio's own package index is used.")
            return
        if re.match(r"^(?:git\+|hg\+|https?:|file:)", text):
            self.found.setdefault(text, text)
            return
        match = _PIP.match(text)
        if match is None:
            self._refuse(line)
            return
        extras = frozenset(each.strip().lower() for each in (match.group("extras") or "").split(",") if each.strip())
        if is_own(match.group("name")):
            self._own(match.group("name"), extras)
            return
        shown = f"[{','.join(sorted(extras))}]" if extras else ""
        self._add(from_pip(match.group("name")), match.group("name"), shown + match.group("rest").strip(), line)

    def _is_one_line(self, line: str) -> bool:
        """A second line would be an option that nobody has looked at, and a long one is work for every pattern."""
        text = line.strip()
        if len(text) <= LONGEST and "\n" not in text and "\r" not in text:
            return True
        self._refuse(line)
        return False

    def recipe(self, section: Optional[Conda] = None) -> Recipe:
        if self.problems:
            raise SpecError(self.problems)
        return Recipe(self.python, tuple(sorted(self.found.values())), tuple(self.notes), section)

    def _own(self, name: str, extras: FrozenSet[str]) -> None:
        self.notes.append(f"'{name}' is left out: every step has the SDK.")
        for other in brought_by(name, extras):
            self.found.setdefault(other, other)

    def _add(self, target: Optional[str], name: str, rest: str, line: str) -> None:
        if target is None:
            return
        if rest and not re.match(r"^(?:\[[^\]]*\])?\s*(?:[<>=!~;@(].*)?$", rest, re.DOTALL):
            self._refuse(line)
            return
        if target != normalise(name):
            self.notes.append(f"'{name}' is '{target}' on PyPI.")
        known = self.found.get(target)
        # A bare name never weakens a version that was asked for before it.
        if known is None or rest:
            self.found[target] = target + _tidy(rest)

    def _refuse(self, line: str) -> None:
        self.problems.append(Problem("bad_requirement", f"{_shown(line)!r} is no package requirement."))


def _shown(line: str) -> str:
    text = line.strip()
    return text if len(text) <= LONGEST else text[:200] + "…"


def _tidy(rest: str) -> str:
    head, mark, condition = rest.partition(";")
    tidy = head if head.lstrip().startswith("@") else re.sub(r"\s+", "", head).replace("(", "").replace(")", "")
    if tidy.lstrip().startswith("@"):
        tidy = " " + tidy.strip()
    return tidy + (f"; {condition.strip()}" if mark else "")


def conda_version(rest: str) -> str:
    """A conda version as PEP 440 has it: `=1.2` is any 1.2, `=1.2.3` and `==1.2.3` are exact, a build is
    dropped."""
    text = rest.strip()
    if not text or text == "*":
        return ""
    if re.match(r"^[\d.*]", text):  # `numpy 1.19.2 py37_0`, as `conda list` prints
        text = "=" + text.split()[0]
    if re.match(r"^=[^=]", text):
        version = text[1:].split("=")[0].strip()
        exact = version.count(".") >= 2 and not version.endswith("*")
        return f"=={version}" if exact or version.endswith("*") else f"=={version}.*"
    if text.startswith("=="):
        return "==" + text[2:].split("=")[0].strip()
    if "|" in text:  # alternatives have no spelling in PEP 440; the last is the newest by habit
        text = text.split("|")[-1].strip()
        return conda_version(text if text[:1] in "<>=!~" else "=" + text)
    return re.sub(r"\s+", "", text)


def definition(
    name: str,
    built: Recipe,
    *,
    user_managed: bool = False,
    interpreter: Optional[str] = None,
    variables: Optional[Mapping[str, str]] = None,
    docker: Optional[Mapping[str, Any]] = None,
) -> Dict[str, Any]:
    """The definition of an environment as the graph document and `POST environments/` hold it."""
    document: Dict[str, Any] = {
        "name": name,
        "python": {
            "version": built.python,
            "user_managed": user_managed,
            "interpreter": interpreter,
            "packages": list(built.packages),
        },
        "variables": dict(variables or {}),
    }
    if built.conda:
        document["python"]["conda"] = built.conda.to_document()
    if docker:
        document["docker"] = dict(docker)
    return document
