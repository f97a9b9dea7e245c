"""Every text of the studio that people see: from Python, from templates and from scripts.

Babel's extractors skip in silence what is no plain string, a call within a call, and templates within templates of a script.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from babel.messages.catalog import Message
from django.utils.translation.template import templatize

from studio.words import scripts
from studio.words.po import Catalogue

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
# What hosts say to the studio, and what kinds of steps are called.
OF_SPEC = ("sdk/duto/src/duto/spec/sentences.py", "sdk/duto/src/duto/spec/kinds.py")
SINGLE = frozenset({"_", "gettext", "gettext_lazy", "gettext_noop"})
PLURAL = frozenset({"ngettext", "ngettext_lazy"})
IN_CONTEXT = frozenset({"pgettext", "pgettext_lazy"})
# What `templatize` leaves of a template: calls with literals, as Python writes them.
LITERAL = r"""u?("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
CALL = re.compile(rf"(?<![\w.])([np]?gettext|_)\(\s*{LITERAL}(?:\s*,\s*{LITERAL})?", re.S)


def everything(root: Path) -> Catalogue:
    """Each text once, in its order, with all files that say it."""
    python = [*(path for app in APPS for path in (root / app).rglob("*.py")), *(root / each for each in OF_SPEC)]
    return gathered(
        [
            *(message for path in sorted(python) for message in of_python(path.read_text(), _name(root, path))),
            *(
                each
                for path in _all(root, "templates", "html")
                for each in of_template(path.read_text(), _name(root, path))
            ),
            *of_scripts(root),
        ]
    )


def of_scripts(root: Path) -> Catalogue:
    """What the scripts say, which is all that a browser's catalogue needs."""
    return gathered(
        message
        for path in _all(root, "static/js", "js")
        for message in scripts.messages(path.read_text(), _name(root, path))
    )


def _all(root: Path, folder: str, ending: str) -> list[Path]:
    return sorted((root / folder).rglob(f"*.{ending}"))


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def gathered(messages: Iterable[Message]) -> Catalogue:
    """Each text once. Raises ValueError where two places give one text two plurals."""
    catalogue = Catalogue()
    for message in messages:
        catalogue[message.id] = message
    return catalogue


def of_python(source: str, name: str) -> Iterator[Message]:
    """Raises ValueError where gettext is given something else than plain strings."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        count = 1 if node.func.id in SINGLE else 2 if node.func.id in PLURAL | IN_CONTEXT else 0
        if not count:
            continue
        texts = [arg.value for arg in node.args[:count] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if len(texts) < count:
            raise ValueError(f"{name}:{node.lineno}: {node.func.id}() is given something else than a plain string")
        yield _message(node.func.id, texts, name)


def of_template(source: str, name: str) -> Iterator[Message]:
    """Django's own reading of `trans` and `blocktrans`."""
    for call, *literals in CALL.findall(templatize(source, origin=name)):
        yield _message(call, [ast.literal_eval(literal) for literal in literals if literal], name)


def _message(call: str, texts: Sequence[str], name: str) -> Message:
    if call in IN_CONTEXT:
        return Message(texts[1], context=texts[0], locations=[(name, 0)])
    return Message((texts[0], texts[1]) if call in PLURAL else texts[0], locations=[(name, 0)])
