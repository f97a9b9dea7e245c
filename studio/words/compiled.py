"""A catalogue as Django reads it (.mo), and as a script in the browser does."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable

from studio.words.po import Catalogue, Message

MAGIC, HEADER_BYTES, NUL = 0x950412DE, 28, "\0"


def binary(catalogue: Catalogue) -> bytes:
    """The .mo file: two tables of lengths and offsets, sorted by the original, then the texts. What has no words is left out."""
    pairs = {"": catalogue.header}
    for text, forms in catalogue.words.items():
        if all(forms):
            plural = catalogue.plurals.get(text)
            pairs[NUL.join((text, plural)) if plural else text] = NUL.join(forms)
    keys = [(key.encode(), pairs[key].encode()) for key in pairs]
    keys.sort()
    texts, tables = b"", b""
    start = HEADER_BYTES + 16 * len(keys)
    for column in zip(*keys, strict=True):
        for text in column:
            tables += struct.pack("<2I", len(text), start + len(texts))
            texts += text + b"\0"
    head = struct.pack("<7I", MAGIC, 0, len(keys), HEADER_BYTES, HEADER_BYTES + 8 * len(keys), 0, start)
    return head + tables + texts


def script(catalogue: Catalogue, messages: Iterable[Message]) -> str:
    """What static/js/words.js looks for: the words that scripts say, and which form a number takes."""
    words: dict[str, str | list[str]] = {}
    for message in messages:
        forms = catalogue.words.get(message.text, ())
        if forms and all(forms):
            words[message.text] = list(forms) if message.plural else forms[0]
    lines = ",\n".join(f"{_json(text)}:{_json(words[text])}" for text in sorted(words))
    return (
        "// Written by `python3 manage.py words`.\n"
        f"globalThis.dutoWords={{form:(n)=>Number({catalogue.plural_rule}),words:{{\n{lines}\n}}}};\n"
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
