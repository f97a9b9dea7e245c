"""Conda's environment files: the part of YAML that they use, read and written without a YAML library.

Where PyYAML is installed it reads the file; without it the reader here knows block lists, one level of
nesting below `- pip:`, comments and quotes, which is what conda itself writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

from duto.exceptions import UserErrorException


def read(path: Path) -> Dict[str, Any]:
    """The document of a conda file. Raises `UserErrorException` when it is missing or none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserErrorException(f"The conda file '{path}' cannot be read: {error}") from error
    document = parse(text)
    if not isinstance(document, dict) or not isinstance(document.get("dependencies") or [], list):
        raise UserErrorException(f"'{path}' is no conda file: it holds no list of dependencies.")
    return document


def parse(text: str) -> Any:
    """The document of a text."""
    try:
        import yaml
    except ImportError:
        return _parse(text)
    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise UserErrorException(f"This is no YAML: {error}") from error


def write(document: Dict[str, Any]) -> str:
    """The text of a document."""
    lines = [f"name: {document['name']}", "dependencies:"]
    for item in document.get("dependencies", ()):
        if isinstance(item, dict):
            lines.append("  # Packages of PyPI")
            lines.append("  - pip:")
            lines += [f"      - {_quoted(each)}" for each in item["pip"]]
        else:
            lines.append(f"  - {_quoted(item)}")
    if document.get("channels"):
        lines.append("channels:")
        lines += [f"  - {_quoted(each)}" for each in document["channels"]]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return f"'{text}'" if text[:1] in "*&!%@`{[-" or ": " in text or " #" in text else text


def _parse(text: str) -> Dict[str, Any]:
    document: Dict[str, Any] = {}
    block: List[Any] = []
    inner: List[Any] = []
    depth = -1
    for raw in text.splitlines():
        line = raw.split(" #")[0].rstrip() if not raw.lstrip().startswith("#") else ""
        if not line.strip() or line.strip() == "---":
            continue
        indent, content = len(line) - len(line.lstrip()), line.strip()
        if not content.startswith("-"):
            key, _, value = content.partition(":")
            block = []
            depth = -1
            document[key.strip()] = _scalar(value) if value.strip() else block
            continue
        item = content[1:].strip()
        if item.endswith(":"):
            inner, depth = [], indent
            block.append({item[:-1].strip(): inner})
        elif depth >= 0 and indent > depth:
            inner.append(_scalar(item))
        else:
            depth = -1
            block.append(_scalar(item))
    return document


def _scalar(text: str) -> Any:
    value = text.strip()
    if value.startswith("[") and value.endswith("]"):
        return [_scalar(each) for each in value[1:-1].split(",") if each.strip()]
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value
