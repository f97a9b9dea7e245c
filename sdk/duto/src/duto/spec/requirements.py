"""Lines of pip: packages, addresses, constraints, options. Pure; files that lines name are read by whoever has them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import FrozenSet, List, Tuple
from urllib.parse import unquote

from duto.spec.sentences import said

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_PACKAGE = re.compile(rf"^(?P<name>{_NAME})\s*(?:\[(?P<extras>[^\]]*)\])?\s*(?P<rest>.*)$")
_VERSIONS = re.compile(r"^\(?\s*(?:(?:===|==|~=|!=|<=|>=|<|>)\s*[\w.*+!-]+\s*(?:,\s*|(?=\)|$)))*\)?$")
_SCHEME = re.compile(r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):")
_FILES = (".whl", ".tar.gz", ".tar.bz2", ".zip", ".tgz")
_OWN_OPTION = re.compile(r"\s--(?:hash|global-option|install-option|build-option|config-settings?)\b.*$")
TAKEN = ("git+https", "git+http", "git+ssh", "git+git", "git+file", "http", "https", "file")
# What pip is told about where and how to look: the studio has an index of its own. The longer ones take a value.
_OF_INDEX = {
    "-i": True, "--index-url": True, "--pypi-url": True, "--extra-index-url": True, "-f": True, "--find-links": True,
    "--trusted-host": True, "--no-index": False, "--no-binary": True, "--only-binary": True, "--prefer-binary": False,
    "--pre": False, "--use-feature": True, "--require-hashes": False, "--no-cache-dir": False, "--cert": True,
    "--upgrade": False, "-U": False, "--no-deps": False, "--no-build-isolation": False, "--user": False,
    "--ignore-installed": False, "--force-reinstall": False, "--use-pep517": False, "--timeout": True,
    "--default-timeout": True, "--retries": True, "--proxy": True, "--quiet": False, "-q": False, "--progress-bar": True,
}  # fmt: skip
_OF_FILES = {"-r": "-r", "--requirement": "-r", "-c": "-c", "--constraint": "-c", "-e": "-e", "--editable": "-e"}


class NoRequirement(ValueError):
    """What is wrong with a line, and what to do; a sentence for people."""


@dataclass(frozen=True)
class Requirement:
    """A package: `name` as it was written (empty for an address that does not tell), `rest` its bounds, or `@` and its
    address, and its condition, as PEP 508 has them. `notes` tell what of the line is not used."""

    name: str
    extras: FrozenSet[str] = frozenset()
    rest: str = ""
    notes: Tuple[str, ...] = field(default=(), compare=False)

    @property
    def text(self) -> str:
        """As pip reads it."""
        return self.text_as(self.name)

    def text_as(self, name: str) -> str:
        """The same under another name."""
        if not name:
            return self.rest
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        return name + extras + (" " if self.rest.startswith("@") else "") + self.rest


def without_comment(line: str) -> str:
    """The line as it counts; a `#` after a letter belongs to an address."""
    return re.sub(r"(?:^|\s)#.*$", "", line.strip()).strip()


def option(line: str) -> Tuple[str, str]:
    """The option of a line and its value, short and long spellings alike; ("", line) for a package."""
    if not line.startswith("-"):
        return "", line
    found = re.match(r"^(--[A-Za-z0-9-]+|-[A-Za-z])[\s=]*(.*)$", line)
    if found is None:
        return line, ""
    return _OF_FILES.get(found.group(1), found.group(1)), found.group(2).strip().strip("'\"")


def left_out(line: str) -> List[str]:
    """What of a line of options the studio's own package index makes needless. Raises `NoRequirement` for another."""
    spaced = re.sub(r"(?:(?<=\s)|^)(--[A-Za-z0-9-]+=|-[A-Za-z]=?(?=\S))", lambda at: at.group().rstrip("=") + " ", line)
    words, found = spaced.split(), []
    while words:
        name = words.pop(0)
        if name not in _OF_INDEX:
            raise NoRequirement(f"{line!r} is no option that an environment can have.")
        found.append(f"{name} {without_password(words.pop(0))}" if _OF_INDEX[name] and words else name)
    return found


def without_password(address: str) -> str:
    """What is told of an index is read by everybody in the workspace."""
    return re.sub(r"(?<=://)[^/\s]+@", "…@", address)


def read(line: str) -> Requirement:
    """The requirement of a line that is no option. Raises `NoRequirement`."""
    text = without_comment(line)
    notes: Tuple[str, ...] = ()
    own = _OWN_OPTION.search(text)
    if own:
        text = text[: own.start()].strip()
        notes = (said("own_option_unused", option=own.group().strip()[:80], line=text),)
    found = _PACKAGE.match(text)
    if found and found.group("rest").startswith("@"):
        name, extras = found.group("name"), _extras(found.group("extras"))
        return _placed(found.group("rest")[1:].strip(), name, extras, notes, line)
    if _SCHEME.match(text):
        return _placed(text, "", frozenset(), notes, line)
    if text.startswith((".", "/", "~", "\\")) or re.search(
        r"\.(?:whl|zip|gz|tgz|bz2|egg)$", text.split(";")[0].strip()
    ):
        raise NoRequirement(
            f"{line.strip()!r} is a file of your machine: put it into the source directory of the step, or name an "
            "address that hosts can reach."
        )
    if found is None:
        raise NoRequirement(f"{line.strip()!r} is no package requirement.")
    bounds, mark, condition = found.group("rest").partition(";")
    if not _VERSIONS.match(bounds.strip()):
        hint = " (pip writes '==' for one version)" if re.match(r"^\s*=[^=]", bounds) else ""
        raise NoRequirement(f"{line.strip()!r} is no package requirement{hint}.")
    tidy = re.sub(r"[\s()]+", "", bounds).rstrip(",")
    rest = tidy + (f"; {condition.strip()}" if mark and condition.strip() else "")
    return Requirement(found.group("name"), _extras(found.group("extras")), rest, notes)


def _placed(address: str, name: str, extras: FrozenSet[str], notes: Tuple[str, ...], line: str) -> Requirement:
    url, mark, condition = address.partition(" ;")
    url, _, fragment = url.strip().partition("#")
    scheme = _SCHEME.match(url)
    if scheme is None or scheme.group("scheme").lower() not in TAKEN or re.search(r"\s", url):
        raise NoRequirement(
            f"{line.strip()!r} is no address that can be fetched: git+https://…, git+ssh://… or https://… can."
        )
    parts = dict(each.partition("=")[::2] for each in fragment.split("&"))
    egg = _PACKAGE.match(unquote(parts.pop("egg", "")))
    name, extras = name or (egg.group("name") if egg else _of_file(url)), extras or _extras(egg and egg.group("extras"))
    kept = "&".join(f"{key}={value}" for key, value in sorted(parts.items()) if value)
    url += f"#{kept}" if kept else ""
    condition = f" ; {condition.strip()}" if mark and condition.strip() else ""
    return Requirement(name, extras, f"@ {url}{condition}" if name else url + condition, notes)


def _of_file(url: str) -> str:
    """The package's name by the name of its file, as indexes write it."""
    file = unquote(url.partition("?")[0].rpartition("/")[2])
    name = re.split(r"-(?=\d)", file, maxsplit=1)[0]
    is_named = file.endswith(_FILES) and name != file and not url.startswith("git+")
    return name if is_named and re.fullmatch(_NAME, name) else ""


def _extras(written: object) -> FrozenSet[str]:
    return frozenset(each.strip().lower() for each in str(written or "").split(",") if each.strip())
