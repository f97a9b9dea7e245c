"""Files of YAML that describe environments and runs: conda's, and Azure ML's `.runconfig`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict

from duto.exceptions import UserErrorException

# Conda's own, and `constraints`, which a file of a registered environment holds: conda passes over what it knows not.
KEYS = frozenset({"name", "dependencies", "channels", "prefix", "variables", "constraints"})


def read(path: Path) -> Dict[str, Any]:
    """The document of a conda file. Raises `UserErrorException` when it is missing or none."""
    try:
        document = parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserErrorException(f"The conda file '{path}' cannot be read: {error}") from error
    except UserErrorException as error:
        raise UserErrorException(f"The conda file '{path}' cannot be read: {error.message}") from error
    if not isinstance(document, dict):
        raise UserErrorException(f"'{path}' is no conda file: it holds no list of dependencies.")
    return document


def parse(text: str) -> Any:
    """The document of a text; an empty one is `{}`. JSON is read by itself.

    Raises `UserErrorException` for what is no YAML, and where PyYAML, which reads it, is not installed.
    """
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        import yaml
    except ImportError as error:
        raise UserErrorException("YAML is read by PyYAML, which is not installed here: pip install pyyaml") from error
    try:
        return yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # also a date that is none
        raise UserErrorException(f"This is no YAML: {error}") from error


def write(document: Dict[str, Any]) -> str:
    """The text of a conda document."""
    lines = [f"name: {_quoted(document['name'])}", "dependencies:"]
    for item in document.get("dependencies", ()):
        if isinstance(item, dict):
            lines += ["  # Packages of PyPI", "  - pip:", *(f"      - {_quoted(each)}" for each in item["pip"])]
        else:
            lines.append(f"  - {_quoted(item)}")
    if not document.get("dependencies"):
        lines[-1] += " []"
    for key in ("channels", "constraints"):
        if document.get(key):
            lines += [f"{key}:", *(f"  - {_quoted(each)}" for each in document[key])]
    if document.get("variables"):
        lines += ["variables:", *(f"  {_quoted(key)}: {_quoted(each)}" for key, each in document["variables"].items())]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """As it is where every reader takes it for text, else in JSON's quotes, which are YAML's too."""
    plain = (
        text[:1].isalpha() and text.isascii() and text.isprintable() and not any(each in text for each in ":#,[]{}'\"")
    )
    is_word = text.lower() in ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
    return text if plain and not is_word and text == text.strip() else json.dumps(text, ensure_ascii=False)
