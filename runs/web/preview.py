"""A file as a page shows it: text with its colours and line numbers, of a long one the beginning."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.utils.safestring import SafeString
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound

from core.storage import Root

LARGEST = 512 * 1024
# Highlighting is by backtracking patterns over what users wrote: only for what a pipeline is written in, and for lines
# that somebody wrote.
LONGEST_LINE = 2000
COLOURED = (
    ".py", ".pyi", ".json", ".yml", ".yaml", ".toml", ".ini", ".cfg", ".sh", ".bash", ".sql", ".r", ".js", ".css", ".html",
    ".xml", ".md", ".csv", "dockerfile", "makefile",
)  # fmt: skip


@dataclass(frozen=True)
class Opened:
    """A file as it is shown. `html` is None for what is not text; `shown` counts the bytes of a beginning."""

    path: str
    size: int
    html: SafeString | None
    shown: int = 0

    @property
    def is_cut(self) -> bool:
        return self.html is not None and self.shown < self.size


def opened(root: Root, key: str, path: str, line: int = 0, *, lines: int | None = None) -> Opened:
    """The file under this key, or its first so many lines. Raises NotFound."""
    size = root.size(key)
    data = root.read(key, 0, LARGEST)
    if b"\0" in data:
        return Opened(path, size, None)
    if len(data) < size:
        # Not half a line, unless it is the only one.
        data = data[: data.rfind(b"\n") + 1] or data
    if lines is not None and data.count(b"\n") > lines:
        data = b"".join(islice(io.BytesIO(data), lines))
    return Opened(path, size, drawn(path, data.decode("utf-8", "replace"), line), len(data))


def drawn(path: str, text: str, line: int = 0) -> SafeString:
    """The text in the highlighter's short classes, each line with an anchor. Pygments escapes what it gets."""
    lexer: Any = TextLexer(stripnl=False)
    if path.lower().endswith(COLOURED) and max(map(len, text.splitlines()), default=0) <= LONGEST_LINE:
        with contextlib.suppress(ClassNotFound):
            lexer = get_lexer_for_filename(path, stripnl=False)
    form = HtmlFormatter(
        linenos="inline",
        lineanchors="L",
        anchorlinenos=True,
        cssclass="highlight",
        hl_lines=[line] if line else [],
        wrapcode=False,
    )
    html: str = highlight(text, lexer, form)
    return SafeString(html)
