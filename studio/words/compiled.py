"""A catalogue as Django reads it (.mo), and as a script in the browser does."""

from __future__ import annotations

import io
import json

from babel.messages.mofile import write_mo

from studio.words.po import Catalogue, each, forms


def binary(catalogue: Catalogue) -> bytes:
    """The .mo file. What has no words is English."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def script(catalogue: Catalogue, said: Catalogue) -> str:
    """What static/js/words.js looks for: the words that scripts say, and which form a number takes."""
    words: dict[str, str | list[str]] = {}
    for message in said:
        found = forms(catalogue.get(message.id))
        if message.id and found:
            words[each(message.id)[0]] = found if message.pluralizable else found[0]
    lines = ",\n".join(f"{_json(text)}:{_json(words[text])}" for text in sorted(words))
    return (
        "// Written by `python3 manage.py words`.\n"
        f"globalThis.dutoWords={{form:(n)=>Number({catalogue.plural_expr}),words:{{\n{lines}\n}}}};\n"
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
