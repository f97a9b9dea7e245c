"""Conda and pip lists as one recipe: a Python version and a list of requirements that pip's world can build.

Conda names that mean a PyPI package are renamed, Azure's own packages are left out because every step has the
SDK. Where something is named that only conda has, the conda list stays conda's as it was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Match, Optional, Set, Tuple

from duto.spec import canonical, pythons, requirements
from duto.spec import conda as conda_rules
from duto.spec.conda import Conda
from duto.spec.errors import Problem, SpecError
from duto.spec.packages import brought_by, from_conda, from_pip, is_own, normalise
from duto.spec.r import section as r_section
from duto.spec.requirements import NoRequirement, Requirement
from duto.spec.sentences import said, said_in, with_said

SCHEMA = 1

# What a line of packages may hold, an address with its digest included.
LONGEST = 2000
MOST_NOTES = 50
_CONDA = re.compile(
    r"^(?:[\w./:-]+::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9._-]*)\s*(?P<rest>[^\[]*)(?:\[(?P<keys>[^\]]*)\])?$"
)
_KEY = re.compile(r"(\w+)\s*=\s*(?:'([^']*)'|\"([^\"]*)\"|([^\s,'\"]+))")


@dataclass(frozen=True)
class Recipe:
    """What to build. `python` is `major.minor`, bounds, or None for whatever is at hand (`duto.spec.pythons`);
    `packages` are requirements as pip reads them, sorted; `constraints` bound those of them, and of what they need,
    that are installed. With `conda`, its packages come first and the Python with them.

    For people, and in no digest: `notes` tell what was renamed or is there already, `unused` what of the lists the
    studio does not use."""

    python: Optional[str]
    packages: Tuple[str, ...]
    notes: Tuple[str, ...] = ()
    conda: Optional[Conda] = None
    constraints: Tuple[str, ...] = ()
    unused: Tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        document: Dict[str, Any] = {"schema": SCHEMA, "python": self.python, "packages": list(self.packages)}
        if self.constraints:
            document["constraints"] = list(self.constraints)
        return canonical.digest({**document, **({"conda": self.conda.to_document()} if self.conda else {})})


def recipe(
    conda: Iterable[Any] = (),
    pip: Iterable[str] = (),
    python: Optional[str] = None,
    channels: Iterable[str] = (),
    constraints: Iterable[str] = (),
    unused: Iterable[str] = (),
) -> Recipe:
    """The recipe of a conda list and a pip list, of constraints, and of what was found `unused` before.

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
    for line in constraints:
        collector.constraint(str(line))
    collector.unused += [each if len(each) <= LONGEST else each[:LONGEST] for each in unused]
    section = conda_rules.section_of(lines, places, collector.problems) if needed else None
    return collector.recipe(section)


def recipe_of(definition: Mapping[str, Any]) -> Recipe:
    """The recipe of an environment's definition (`docs/wire.md`). Raises `SpecError` as `recipe` does."""
    python = definition.get("python") or {}
    section = python.get("conda") or {}
    if not isinstance(section, Mapping) or not all(_is_texts(section.get(key)) for key in ("channels", "packages")):
        text = "'conda' of an environment is an object with 'channels' and 'packages', each a list of texts."
        raise SpecError([Problem("bad_requirement", text)])
    for key in ("constraints", "unused"):
        if not _is_texts(python.get(key)):
            raise SpecError([Problem("bad_requirement", f"{key!r} of an environment is a list of texts.")])
    built = recipe(
        pip=python.get("packages") or (),
        python=python.get("version"),
        constraints=python.get("constraints") or (),
        unused=[said_in(python, each) for each in python.get("unused") or ()],
    )
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


class _Collector:
    """Takes lines one by one, and remembers what is wrong, so that all of it is named at once."""

    def __init__(self, python: Optional[str]) -> None:
        self.found: Dict[str, List[str]] = {}
        self.of_conda: Set[str] = set()
        self.bounds: Dict[str, str] = {}
        self.brought: List[str] = []
        self.kept: Set[str] = set()
        self.notes: List[str] = []
        self.unused: List[str] = []
        self.problems: List[Problem] = []
        self.python = pythons.asked_for(python)

    def conda(self, line: str, is_kept: bool = False) -> None:
        """One package of a conda list; where it `is_kept` conda's, only Python and what Azure's bring is taken."""
        if not self._is_one_line(line):
            return
        text = line.split("#")[0].strip()
        match = _CONDA.match(text)
        if match is None:
            if text:
                self._refuse(f"{_shown(line)!r} is no package requirement.")
            return
        name, version = match.group("name"), self._version(match, line)
        if normalise(name) == "python":
            self._take_python(version)
        elif is_own(name):
            self._own(name, frozenset())
        elif is_kept:
            self.kept.add(from_conda(name) or name)
        else:
            self._take_conda(from_conda(name), name, conda_version(version), line)

    def pip(self, line: str) -> None:
        """One line of a pip list; what it names by a file must have been read before."""
        if not self._is_one_line(line):
            return
        name, value = requirements.option(requirements.without_comment(line))
        try:
            if name in ("-r", "-c"):
                raise NoRequirement(f"{_shown(line)!r} names a file that is not here.")
            if name == "-e":
                self.notes.append(f"'{value}' is installed as any other package.")
                self._take(requirements.read(value))
            elif name:
                self.unused += [said("option_unused", option=each) for each in requirements.left_out(line)]
            elif value:
                self._take(requirements.read(line))
        except NoRequirement as error:
            self._refuse(f"{_shown(line)!r}: {error}" if name == "-e" else str(error))

    def constraint(self, line: str) -> None:
        """One line of a file of constraints."""
        if not self._is_one_line(line):
            return
        name, value = requirements.option(requirements.without_comment(line))
        try:
            if name:
                raise NoRequirement(f"{_shown(line)!r} is no constraint.")
            if value and not is_own((found := requirements.read(value)).name):
                self.bounds[from_pip(found.name)] = found.text_as(from_pip(found.name))
        except NoRequirement as error:
            self._refuse(str(error))

    def recipe(self, section: Optional[Conda] = None) -> Recipe:
        if self.problems:
            raise SpecError(self.problems)
        for name in self.brought:
            if name not in self.kept:
                self.found.setdefault(name, [name])
        packages = tuple(sorted(text for texts in self.found.values() for text in texts))
        unused = tuple(dict.fromkeys(self.unused))[:MOST_NOTES]
        return Recipe(self.python, packages, tuple(self.notes), section, tuple(sorted(self.bounds.values())), unused)

    def _take_python(self, version: str) -> None:
        try:
            self.python = pythons.asked_for(version) or self.python
        except SpecError as error:
            self.problems += error.problems

    def _take(self, found: Requirement) -> None:
        self.unused += found.notes
        if is_own(found.name):
            self._own(found.name, found.extras)
            return
        target = from_pip(found.name) if found.name else found.rest
        if found.name and target != normalise(found.name):
            self.notes.append(f"'{found.name}' is '{target}' on PyPI.")
        is_bare = not (found.rest or found.extras)
        if target in self.of_conda and not is_bare:  # pip comes after conda, and puts its own in the place
            self.notes.append(f"'{found.text}' of pip takes the place of conda's {self.found.pop(target)[0]!r}.")
            self.of_conda.discard(target)
        self._keep(target, found.text_as(target if found.name else ""), is_bare)

    def _keep(self, target: str, text: str, is_bare: bool) -> None:
        """Several lines of one package all count: their bounds together, or one for each condition. A bare name adds
        nothing to a line that says more."""
        lines = self.found.setdefault(target, [])
        if is_bare and lines:
            return
        if target in lines:
            lines.remove(target)
        if text not in lines:
            lines.append(text)

    def _is_one_line(self, line: str) -> bool:
        """A second line would be an option that nobody has looked at, and a long one is work for every pattern."""
        text = line.strip()
        if len(text) <= LONGEST and "\n" not in text and "\r" not in text:
            return True
        self._refuse(f"{_shown(line)!r} is no package requirement.")
        return False

    def _own(self, name: str, extras: FrozenSet[str]) -> None:
        brought = brought_by(name, extras)
        more = f" What it brings is asked for: {', '.join(brought)}." if brought else ""
        self.notes.append(f"'{name}' is not installed: every step has the SDK.{more}")
        self.brought += brought

    def _version(self, match: Match[str], line: str) -> str:
        """The version of a conda line, also where it stands in brackets; of the rest there nothing is left out unsaid."""
        keys = {key: one or two or three for key, one, two, three in _KEY.findall(match.group("keys") or "")}
        version = keys.pop("version", "")
        if keys or (match.group("keys") and not version):
            self.unused.append(said("brackets_unused", keys=match.group("keys"), line=line.strip()))
        rest = match.group("rest").strip()
        return ",".join(each for each in (rest, version) if each)

    def _take_conda(self, target: Optional[str], name: str, rest: str, line: str) -> None:
        if target is None:
            return
        try:
            found = requirements.read(target + rest)
        except NoRequirement:
            self._refuse(f"{_shown(line)!r} is no package requirement.")
            return
        self._keep(target, found.text_as(target), not rest)
        self.of_conda.add(target)
        if target != normalise(name):
            self.notes.append(f"'{name}' is '{target}' on PyPI.")

    def _refuse(self, message: str) -> None:
        self.problems.append(Problem("bad_requirement", message))


def _shown(line: str) -> str:
    text = line.strip()
    return text if len(text) <= LONGEST else text[:200] + "…"


def conda_version(rest: str) -> str:
    """A conda version as PEP 440 has it: `=1.2` is any 1.2, `=1.2.3` and `==1.2.3` are exact, a build is
    dropped."""
    text = rest.strip()
    if "|" in text:  # alternatives have no spelling in PEP 440; the last is the newest by habit
        text = text.split("|")[-1].strip()
    text = re.sub(r"([<>=!~,])\s+|\s+(?=[<>=!~,])", r"\1", text)
    # A version with a build after it: `1.19.2 py37_0`, as `conda list` prints.
    return ",".join(found for each in text.split(",") if each and (found := _conda_clause(each.split()[0])))


def _conda_clause(text: str) -> str:
    if text == "*":
        return ""
    if text.startswith("=="):
        return "==" + text[2:].split("=")[0]
    if text[0] not in "<>=!~":
        text = "=" + text
    if not text.startswith("="):
        return text
    version = text[1:].split("=")[0]
    if version == "*":
        return ""
    exact = version.count(".") >= 2 and not version.endswith("*")
    return f"=={version}" if exact or version.endswith(".*") else f"=={version.rstrip('*')}.*"


def lists_of(built: Recipe) -> Dict[str, Any]:
    """What a definition's Python holds of a recipe only where there is any; beside `unused`, what it is made of."""
    lists = {"constraints": list(built.constraints), "unused": list(built.unused)}
    return with_said({key: lines for key, lines in lists.items() if lines})


def definition(
    name: str,
    built: Recipe,
    *,
    user_managed: bool = False,
    interpreter: Optional[str] = None,
    variables: Optional[Mapping[str, str]] = None,
    docker: Optional[Mapping[str, Any]] = None,
    r: Optional[Mapping[str, Any]] = None,
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
    document["python"].update(lists_of(built))
    if docker:
        document["docker"] = dict(docker)
    if r is not None:
        document["r"] = r_section(r)
    return document
