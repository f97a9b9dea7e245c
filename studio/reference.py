"""The OpenAPI document as a page shows it: operations by what they are about, with their fields and a ready command.

Pure: it reads the document alone, and asks neither the database nor a request.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Node = Mapping[str, Any]
JSON, BYTES = "application/json", "application/octet-stream"
SCHEMA = "#/components/schemas/"


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of a body. `schema` names the schema that it is made of, if it has one."""

    name: str
    type: str
    place: str
    is_required: bool
    text: str
    schema: str


@dataclass(frozen=True)
class Answer:
    status: str
    text: str
    type: str
    schema: str


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    text: str
    parameters: list[Field]
    body_type: str
    body_schema: str
    body: list[Field]
    answers: list[Answer]
    refusals: list[str]
    command: str

    @property
    def summary(self) -> str:
        """Its first sentence."""
        return self.text.split("\n")[0].split(". ")[0].rstrip(".").replace("`", "")

    def matches(self, words: list[str]) -> bool:
        said = f"{self.method} {self.path} {self.text}".lower()
        return all(word in said for word in words)


@dataclass(frozen=True)
class Group:
    name: str
    operations: list[Operation]


@dataclass(frozen=True)
class Schema:
    name: str
    text: str
    values: list[str]
    fields: list[Field]


@dataclass(frozen=True)
class Reference:
    groups: list[Group]
    schemas: list[Schema]

    @property
    def count(self) -> int:
        return sum(len(group.operations) for group in self.groups)

    def about(self, words: str) -> Reference:
        """What holds all of these words; without any, everything."""
        wanted = words.lower().split()
        if not wanted:
            return self
        found = (Group(each.name, [one for one in each.operations if one.matches(wanted)]) for each in self.groups)
        schemas = [each for each in self.schemas if all(word in f"{each.name} {each.text}".lower() for word in wanted)]
        return Reference([each for each in found if each.operations], schemas)


def reference_of(document: Node) -> Reference:
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, node in methods.items():
            tag = (node.get("tags") or ["studio"])[0]
            groups.setdefault(tag, []).append(_operation(document, path, method.upper(), node))
    schemas = document["components"]["schemas"]
    return Reference(
        [Group(name, groups[name]) for name in sorted(groups)],
        [_schema(name, schemas[name]) for name in sorted(schemas)],
    )


def _operation(document: Node, path: str, method: str, node: Node) -> Operation:
    kind, body = _content(node.get("requestBody") or {})
    return Operation(
        id=node["operationId"],
        method=method,
        path=path,
        text=node.get("description", ""),
        parameters=[
            _field(
                each["name"], each.get("schema", {}), each["in"], bool(each.get("required")), each.get("description")
            )
            for each in node.get("parameters", [])
        ],
        body_type=kind,
        body_schema=_named(body),
        body=list(_fields(document, body)),
        answers=list(_answers(node)),
        refusals=[status for status in node.get("responses", {}) if status >= "400"],
        command=_command(document, path, method, kind, body),
    )


def _content(node: Node) -> tuple[str, Node]:
    """JSON where it is among the kinds, else the first."""
    kinds = node.get("content") or {}
    kind = JSON if JSON in kinds else next(iter(kinds), "")
    return kind, (kinds[kind].get("schema") or {}) if kind else {}


def _answers(node: Node) -> Iterator[Answer]:
    for status, answer in node.get("responses", {}).items():
        if status < "400":
            kind, schema = _content(answer)
            said = type_of(schema) if kind in ("", JSON) else kind
            yield Answer(status, answer.get("description", ""), said if kind else "", _named(schema))


def _schema(name: str, node: Node) -> Schema:
    return Schema(
        name, node.get("description", ""), [str(each) for each in node.get("enum", [])], list(_own_fields(node))
    )


def _fields(document: Node, node: Node) -> Iterator[Field]:
    name = _named(node)
    yield from _own_fields(document["components"]["schemas"][name] if name else node)


def _own_fields(node: Node) -> Iterator[Field]:
    required = set(node.get("required", ()))
    for name, field in (node.get("properties") or {}).items():
        yield _field(name, field, "", name in required, field.get("description"))


def _field(name: str, node: Node, place: str, is_required: bool, text: str | None) -> Field:
    return Field(name, type_of(node), place, is_required, text or "", _named(node))


def _named(node: Node) -> str:
    """The schema that a node refers to: itself, the only one it is made of, or that of its items."""
    if "$ref" in node:
        return str(node["$ref"]).removeprefix(SCHEMA)
    for each in (*node.get("allOf", ()), *node.get("oneOf", ())):
        if name := _named(each):
            return name
    return _named(node["items"]) if isinstance(node.get("items"), Mapping) else ""


def type_of(node: Node) -> str:
    """A type in words: `integer ≥ 0`, `list of text`, `one of a, b`, `RunStatus or null`."""
    if "enum" in node:
        said = "one of " + ", ".join(json.dumps(each) if each in ("", None) else str(each) for each in node["enum"])
    elif node.get("type") == "array":
        said = f"list of {type_of(node.get('items', {}))}"
    elif name := _named(node):
        said = name
    elif isinstance(node.get("additionalProperties"), Mapping):
        inner = type_of(node["additionalProperties"])
        said = "object" if inner == "any" else f"object of {inner}"
    else:
        said = str(node.get("format") or node.get("type") or "any") + _bounds(node)
    return f"{said} or null" if node.get("nullable") else said


def _bounds(node: Node) -> str:
    """The limits of a number or of the length of a text. Those of a database column say nothing to a reader."""
    said = []
    for sign, low in (("≥", node.get("minimum")), ("≤", node.get("maximum"))):
        if low is not None and abs(low) < 1 << 31:
            said.append(f"{sign} {low}")
    if "maxLength" in node:
        said.append(f"up to {node['maxLength']} characters")
    return (" " if said else "") + ", ".join(said)


def _command(document: Node, path: str, method: str, kind: str, body: Node) -> str:
    """One that a shell can run once what stands in braces is put in."""
    words = ["curl", *(["-X", method] if method != "GET" else []), "-H", '"Authorization: Bearer $DUTO_TOKEN"']
    if kind == JSON:
        example = json.dumps({each.name: _example(each) for each in _fields(document, body) if each.is_required})
        words += ["-H", shlex.quote(f"Content-Type: {JSON}"), "-d", shlex.quote(example)]
    elif kind == BYTES:
        words += ["-H", shlex.quote(f"Content-Type: {kind}"), "--data-binary", "@file"]
    elif kind:
        words += ["-F", "file=@file"]
    return " ".join([*words, f'"$DUTO_URL{path}"'])


def _example(field: Field) -> Any:
    base = field.type.removesuffix(" or null")
    if base.startswith("list"):
        return []
    if base.startswith("one of "):
        return base.removeprefix("one of ").split(", ")[0]
    if base.startswith(("integer", "number", "double")):
        return 0
    if base.startswith("boolean"):
        return False
    return {} if base.startswith("object") or field.schema else "…"
