"""The reference of the SDK, written from its public names: signatures and docstrings, as they are."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from azureml._beyond import CONSTANTS
from azureml._finder import resolve
from azureml._table import MODULES
from duto._names import PUBLIC
from studio.config import ROOT

INDEX = ROOT / "docs" / "sdk-reference.md"
FOLDER = ROOT / "docs" / "sdk-reference"
# What programs meet besides the names of `duto`.
BESIDE = {
    "Credentials": "duto.credentials",
    "find": "duto.credentials",
    "remember": "duto.credentials",
    "Client": "duto.client.http",
    "MountContext": "duto.data.file_dataset",
}
# Words of signatures that are no public names, nor Python's.
TYPES = {
    "Consumed": "a dataset, the output of another step, or a `PipelineParameter` whose value is a dataset",
    "DataFrame": "of pandas",
    "Graph": "of `duto.spec.graph`: the steps, and what flows between them",
    "InPort": "an input of a step, as the graph has it",
    "Parameter": "of `duto.spec.graph`: a parameter, as the graph declares it",
    "Logger": "of Python's `logging`",
    "Paths": "`(datastore, 'path')`, a web address, a `DataPath` or a `DataReference`, or several of these",
    "Plot": "what has matplotlib's `savefig`: a figure, or `pyplot`",
    "Problem": "of `duto.spec.errors`: `code`, `message` and `step`",
    "Readable": "what a step can read: the output of another step, a `DataReference` or `DataPath`, a dataset",
    "Recipe": "of `duto.spec.environment`: Python, packages, channels and bounds",
    "Self": "the class of the object itself",
    "Session": "of requests",
    "Table": "a `TabularDataset`, such a one as an input, or another step's output that is read as rows",
    "Target": "`(datastore, 'path')`, a `DataPath` or a `DataReference`, or a datastore",
    "Wrapped": "what it is given",
}
SECTIONS = ("Args", "Attributes", "Returns", "Raises")
_SECTION = re.compile(rf"^({'|'.join(SECTIONS)}):$")
_ITEM = re.compile(r"^(\*{0,2}[\w.]+): (.*)$")


@dataclass
class ParsedDocstring:
    """What a docstring says."""

    text: str = ""
    args: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    returns: str = ""
    raises: dict[str, str] = field(default_factory=dict)


@dataclass
class Member:
    """A function, or a method or property of a class."""

    name: str
    function: Callable[..., Any]
    kind: str  # function, method, static, class, property
    settable: bool = False
    same_as: str = ""

    @property
    def docstring(self) -> ParsedDocstring:
        return read(self.function.__doc__)

    @property
    def parameters(self) -> list[inspect.Parameter]:
        """Those that a program may give: none with an underscore, nor what the call itself gives."""
        found = list(inspect.signature(self.function).parameters.values())
        return [each for each in found[self.kind in ("method", "class", "property") :] if each.name[0] != "_"]

    @property
    def returns(self) -> str:
        """The annotation as it is written, empty for nothing."""
        found = inspect.signature(self.function).return_annotation
        return "" if found in ("None", "NoReturn", None, inspect.Signature.empty) else type_of(found)


@dataclass
class Name:
    """A public name."""

    name: str
    module: str
    value: Any

    @property
    def package(self) -> str:
        """The page that it stands on."""
        return self.module.split(".")[1]

    @property
    def shown(self) -> str:
        """How a program writes it."""
        return self.name if self.name in PUBLIC else f"{self.module}.{self.name}"

    @property
    def docstring(self) -> ParsedDocstring:
        return read(vars(self.value).get("__doc__") if inspect.isclass(self.value) else self.value.__doc__)

    @property
    def members(self) -> list[Member]:
        """Constructor, methods and properties, those of bases without a public name among them."""
        if not inspect.isclass(self.value):
            return [Member(self.name, self.value, "function")] if callable(self.value) else []
        found: dict[str, Member] = {}
        for kind in own_classes(self.value):
            for name, value in vars(kind).items():
                if (name[0] != "_" or name == "__init__") and (member := member_of(name, value)):
                    found.setdefault(name, member)
        return sorted(found.values(), key=lambda member: member.name != "__init__")

    @property
    def refused(self) -> dict[str, str]:
        """Members that only say what to do instead."""
        found = vars(self.value).items() if inspect.isclass(self.value) else ()
        return {name: value.__func__.__doc__ for name, value in found if is_refusal(value)}

    @property
    def values(self) -> dict[str, Any]:
        """Plain values of the class."""
        if not inspect.isclass(self.value):
            return {}
        return {
            name: found.value if isinstance(found := getattr(self.value, name), Enum) else found
            for kind in reversed(own_classes(self.value))
            for name, value in vars(kind).items()
            if name[0] != "_" and not member_of(name, value) and not is_refusal(value)
        }


def is_refusal(value: Any) -> bool:
    return isinstance(value, staticmethod) and value.__func__.__module__ == "duto.not_built"


def member_of(name: str, value: Any) -> Member | None:
    """The member behind an entry of a class, or None for a plain value and for what is not built."""
    if is_refusal(value):
        return None
    if isinstance(value, property):
        assert value.fget
        return Member(name, value.fget, "property", settable=value.fset is not None)
    kinds = {staticmethod: "static", classmethod: "class"}
    function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
    # What namedtuple and dataclass make has no source, and nothing to say beyond the attributes.
    if not inspect.isfunction(function) or not Path(inspect.unwrap(function).__code__.co_filename).is_file():
        return None
    same = function.__name__ if function.__name__ != name else ""
    return Member(name, inspect.unwrap(function), kinds.get(type(value), "method"), same_as=same)


def own_classes(kind: type) -> list[type]:
    """The class and those of its bases that have no public name."""
    public = {id(each.value) for each in names()}
    elsewhere = {base for each in kind.__mro__[1:] if id(each) in public for base in each.__mro__}
    bases = [each for each in kind.__mro__[1:] if each.__module__.startswith("duto.") and each not in elsewhere]
    return [kind, *bases]


@cache
def names() -> tuple[Name, ...]:
    """Every public name."""
    places = {**PUBLIC, **BESIDE}
    return tuple(Name(each, place, getattr(importlib.import_module(place), each)) for each, place in places.items())


def packages() -> list[str]:
    """Those that have a page, in the order of their names."""
    return sorted({each.package for each in names()})


def read(text: str | None) -> ParsedDocstring:
    """Text and sections of a docstring."""
    parts: dict[str, list[str]] = {"": []}
    current = ""
    for line in inspect.cleandoc(text or "").split("\n"):
        if found := _SECTION.match(line):
            current = found[1]
            parts[current] = []
        elif current and line and not line.startswith(" "):
            raise ValueError(f"{line!r} stands after the section {current} of a docstring and belongs before it.")
        else:
            parts[current].append(line)
    items = {each: _items(parts.get(each, [])) for each in ("Args", "Attributes", "Raises")}
    returns = inspect.cleandoc("\n" + "\n".join(parts.get("Returns", []))).strip()
    return ParsedDocstring("\n".join(parts[""]).strip(), items["Args"], items["Attributes"], returns, items["Raises"])


def _items(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc("\n" + "\n".join(lines)).split("\n"):
        if item := _ITEM.match(line):
            name = item[1].lstrip("*")
            found[name] = item[2]
        elif line.strip():
            if not line.startswith(" "):
                raise ValueError(f"{line!r} is no 'name: what it is' of a docstring.")
            found[name] += " " + line.strip()
    return found


@cache
def places() -> dict[int, list[str]]:
    """Where `azureml.*` has each object, by its identity."""
    found: dict[int, list[str]] = {}
    for module in sorted(MODULES):
        for name in sorted(set(MODULES[module].split())):
            if name not in CONSTANTS:
                found.setdefault(id(resolve(module, name)), []).append(f"{module}.{name}")
    return found


def pages() -> dict[Path, str]:
    """Every page of the reference with its text."""
    made = {FOLDER / f"{each}.md": _page(each) for each in packages()}
    return {INDEX: _index(), FOLDER / "azureml.md": _azureml(), **made}


def write() -> None:
    """Write the pages; those of packages that are gone go, too."""
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for old in set(FOLDER.glob("*.md")) - set(made):
        old.unlink()
    for file, text in made.items():
        file.write_text(text)


def _index() -> str:
    lines = [
        "# Reference of the SDK",
        "",
        "Every public name of `duto`, written from the code by `python3 manage.py sdk_doc`; [the SDK](sdk.md) tells how they "
        "go together. What `azureml.*` has of each stands on its page, and module by module in "
        "[azureml](sdk-reference/azureml.md).",
        "",
        "Whatever asks the studio may raise, beside what is named at it, `StudioUnavailableException` (it does not answer), "
        "`AuthenticationException` (no credentials), `ForbiddenException` (a role or a token that is too small) and "
        "`NotFoundException` (the thing is gone). All are `AzureMLException`. *Taken and not used* stands at arguments of Azure "
        "ML's that a studio has no meaning for; *passed over with a warning* at those that a program should know of.",
    ]
    lines += ["", "| in signatures | is |", "|---|---|"]
    lines += [f"| `{name}` | {text} |" for name, text in TYPES.items()]
    for package in packages():
        lines += ["", f"## [{package}](sdk-reference/{package}.md)", "", "| name | is |", "|---|---|"]
        for each in _of(package):
            link = f"sdk-reference/{package}.md#{anchor_of(each.shown)}"
            lines.append(f"| [`{each.shown}`]({link}) | {_cell(_summary(each))} |")
    return "\n".join(lines) + "\n"


def _page(package: str) -> str:
    lines = [f"# `duto`: {package}", "", "[All names](../sdk-reference.md). Written by `python3 manage.py sdk_doc`."]
    for each in _of(package):
        lines += ["", f"## {each.shown}", ""]
        if where := places().get(id(each.value)) if not isinstance(each.value, str) else None:
            lines += [f"Also {', '.join(f'`{place}`' for place in where)}.", ""]
        if inspect.isclass(each.value):
            lines += _class(each)
        elif callable(each.value):
            lines += _member(each.members[0])
        else:
            lines.append(_value(each.value))
    return "\n".join(lines).rstrip() + "\n"


def _class(name: Name) -> list[str]:
    bases = [each.__name__ for each in name.value.__bases__ if each is not object and each.__name__ in PUBLIC]
    lines = [name.docstring.text]
    if bases:
        lines += ["", f"Has all of {' and '.join(_link(each) for each in bases)}, too."]
    for each in name.members:
        if each.name == "__init__":
            lines += ["", *_member(each, name.name)]
    attributes = {**name.docstring.attributes}
    for attribute, value in name.values.items():
        about = attributes.get(attribute, "")
        plain = inspect.isclass(value) or isinstance(value, str | int | float | tuple | list | dict)
        attributes[attribute] = f"{_value(value)}: {about}" if plain else about
    properties = [each for each in name.members if each.kind == "property"]
    if attributes or properties:
        lines += ["", "| attribute | type | is |", "|---|---|---|"]
        lines += [f"| `{each}` | | {_cell(text)} |" for each, text in attributes.items()]
        for each in properties:
            docstring = each.docstring
            text = " ".join(
                [docstring.text, *(f"Raises `{error}`: {when}" for error, when in docstring.raises.items())]
            )
            if each.settable:
                text += " May be set."
            lines.append(f"| `{each.name}` | {_cell(f'`{each.returns}`')} | {_cell(text)} |")
    for each in name.members:
        if each.kind != "property" and each.name != "__init__":
            title = f"{name.name}.{each.name}"
            lines += ["", f"### {title}", ""]
            lines += [f"The same as `{each.same_as}`."] if each.same_as else _member(each, title)
    for advice in dict.fromkeys(name.refused.values()):
        those = ", ".join(f"`{each}`" for each, text in name.refused.items() if text == advice)
        lines += ["", f"{those}: {advice[0].lower()}{advice[1:]}"]
    return lines


def _member(member: Member, title: str = "") -> list[str]:
    docstring = member.docstring
    lines = ["```python", *_signature(member, title or member.name), "```"]
    if docstring.text:
        lines += ["", docstring.text]
    if docstring.args:
        lines += ["", *(f"* `{name}`: {text}" for name, text in docstring.args.items())]
    if docstring.returns:
        lines += ["", f"**Returns** {docstring.returns}"]
    if docstring.raises:
        lines += ["", *(f"**Raises** `{name}`: {text}  " for name, text in docstring.raises.items())]
        lines[-1] = lines[-1].rstrip()
    return lines


def _signature(member: Member, title: str) -> list[str]:
    shown = list(_parameters(member))
    end = f") -> {member.returns}" if member.returns else ")"
    short = f"{title}({', '.join(shown)}{end}"
    return [short] if len(short) <= 100 else [f"{title}(", *(f"    {each}," for each in shown), end]


def _parameters(member: Member) -> Iterator[str]:
    kinds = [each.kind for each in member.parameters]
    star = inspect.Parameter.VAR_POSITIONAL in kinds
    for at, each in enumerate(member.parameters):
        if each.kind is each.KEYWORD_ONLY and not star:
            star = True
            yield "*"
        mark = "*" if each.kind is each.VAR_POSITIONAL else "**" if each.kind is each.VAR_KEYWORD else ""
        text = f"{mark}{each.name}"
        if each.annotation is not each.empty:
            text += f": {type_of(each.annotation)}"
        if each.default is not each.empty:
            text += f" = {_value(each.default).strip('`')}"
        yield text
        if each.kind is each.POSITIONAL_ONLY and each.kind not in kinds[at + 1 :]:
            yield "/"


def _azureml() -> str:
    lines = [
        "# The names of `azureml`",
        "",
        "What each module of Azure ML's SDK v1 has here, written by `python3 manage.py sdk_doc`: a name of "
        "[`duto`](../sdk-reference.md), a plain value, or what says on use what to do instead.",
    ]
    ours = {id(each.value): each for each in names()}
    for module in sorted(MODULES):
        found = sorted(set(MODULES[module].split()))
        lines += ["", f"## {module}", ""]
        lines += ["| name | here |", "|---|---|"] if found else ["Holds other modules alone."]
        for name in found:
            value = resolve(module, name)
            if id(value) in ours and name not in CONSTANTS:
                here = _link(ours[id(value)].name)
            elif isinstance(value, str | int | float):
                here = _value(value)
            else:
                here = str(value.__doc__)
            lines.append(f"| `{name}` | {_cell(here)} |")
    return "\n".join(lines) + "\n"


def _of(package: str) -> list[Name]:
    return [each for each in names() if each.package == package]


def _summary(name: Name) -> str:
    text = name.docstring.text if callable(name.value) else _value(name.value)
    return re.split(r"(?<=[.:])\s+(?=[A-Z`])|\n\n", text, maxsplit=1)[0]


def _link(name: str) -> str:
    found = next(each for each in names() if each.name == name)
    return f"[`{found.shown}`]({found.package}.md#{anchor_of(found.shown)})"


def type_of(annotation: str) -> str:
    """As the other names of a page are written."""
    return re.sub(r"\bduto\.(?=[A-Z])|\b_(?=Self\b|Wrapped\b)", "", annotation)


def _value(value: Any) -> str:
    return f"`{value.__name__ if inspect.isclass(value) else repr(value)}`"


def anchor_of(title: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _cell(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text).replace("|", "\\|")
