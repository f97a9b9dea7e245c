"""The literals of a script of ours, and which of them are said through `t` or `n` of static/js/words.js."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from babel.messages.catalog import Message

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<note>/\*.*?\*/)
    |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<word>[\w$#]+)
    |(?P<mark>[`/]|=>|[^\s\w])""",
    re.X | re.S,
)
REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*")
# After these a slash begins a pattern; after a name, a number or a closed bracket it divides.
BEFORE_PATTERN = frozenset("(,=:[!&|?{};+-*<>~^%") | {"=>", "", "return", "typeof", "case"}
SPOKEN = {"t": 1, "n": 2}


class Token(NamedTuple):
    """`kind`: string, template, word, mark, or note for a comment between stars."""

    kind: str
    text: str
    line: int


def tokens(source: str) -> list[Token]:
    """All tokens of a script. A template is one token with `{}` for each thing put in, followed by the tokens of these."""
    return list(_tokens(source, 0, 1)[0])


def _tokens(source: str, at: int, line: int, until: str = "") -> tuple[list[Token], int]:
    found: list[Token] = []
    depth = 0
    while at < len(source):
        if source[at] == "/" and not source.startswith(("//", "/*"), at) and _last(found) in BEFORE_PATTERN:
            at = _end_of_pattern(source, at)
            found.append(Token("mark", ")", source.count("\n", 0, at) + line))
            continue
        piece = TOKEN.match(source, at)
        assert piece is not None and piece.lastgroup is not None
        here = source.count("\n", 0, at) + line
        if piece[0] == "`":
            inner, at = _template(source, at + 1, here)
            found += inner
            continue
        if until and piece[0] == until and not depth:
            return found, piece.end()
        depth += {"{": 1, "}": -1}.get(piece[0], 0) if piece.lastgroup == "mark" else 0
        at = piece.end()
        if piece.lastgroup == "string":
            found.append(Token("string", ast.literal_eval(piece[0]), here))
        elif piece.lastgroup != "space":
            found.append(Token(piece.lastgroup, piece[0], here))
    return found, at


def _last(found: list[Token]) -> str:
    last = [token for token in found[-2:] if token.kind != "note"]
    if not last:
        return ""
    return last[-1].text if last[-1].kind in ("mark", "word") else "a value"


def _end_of_pattern(source: str, at: int) -> int:
    pattern = REGEX.match(source, at)
    return pattern.end() if pattern else at + 1


def _template(source: str, at: int, line: int) -> tuple[list[Token], int]:
    text, inner = "", []
    while source[at] != "`":
        if source.startswith("${", at):
            put_in, at = _tokens(source, at + 2, 1, until="}")
            inner += [token._replace(line=line) for token in put_in]
            text += "{}"
        elif source[at] == "\\":
            text, at = text + source[at + 1], at + 2
        else:
            text, at = text + source[at], at + 1
    return [Token("template", text, line), *inner], at + 1


def messages(source: str, name: str) -> Iterator[Message]:
    """What a script says. Raises ValueError where `t` or `n` get something else than plain strings."""
    all_of_it = tokens(source)
    for place, token in enumerate(all_of_it[:-2]):
        count = SPOKEN.get(token.text, 0) if token.kind == "word" else 0
        before = all_of_it[place - 1].text if place else ""
        if not count or all_of_it[place + 1].text != "(" or before in (".", "function"):
            continue
        texts = all_of_it[place + 2 : place + 2 + 2 * count : 2]
        if any(text.kind != "string" for text in texts):
            raise ValueError(f"{name}:{token.line}: {token.text}() is given something else than a plain string")
        first, *plural = (text.text for text in texts)
        yield Message((first, *plural) if plural else first, locations=[(name, 0)])
