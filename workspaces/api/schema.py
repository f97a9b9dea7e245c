"""How the OpenAPI document names and describes what the views do."""

from __future__ import annotations

import inspect
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from core import once
from core.paging import MAX_LIMIT

LIMIT = OpenApiParameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}, description=f"How many, from 1 to {MAX_LIMIT}."
)
KEY = OpenApiParameter(
    once.HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Of a key that was sent before with the same request, the answer tells what that did; nothing is done again.",
)
AFTER = OpenApiParameter("after", str, description="The cursor `next` of the page before.")


# Collections that are a part of another one, and actions on the workspace itself.
ABOUT = {
    "dataset-versions": "datasets", "environment-builds": "environments", "blobs": "snapshots",
    "host-enrolments": "hosts", "invitations": "members",
    **dict.fromkeys(("", "archive", "delete-preview", "hand-over", "leave", "use", "palette"), "workspaces"),
}  # fmt: skip


class StudioSchema(AutoSchema):
    """A page of a list is an object with `items`, so that a list must be recognised by it."""

    def get_operation_id(self) -> str:
        name: str = super().get_operation_id()
        return f"{name.removesuffix('_retrieve')}_list" if self._is_page() else name

    def get_description(self) -> str:  # type: ignore[override]
        """What the method says of itself. What its class says is for those who write views."""
        action = getattr(self.view, self.method.lower(), None)
        return inspect.cleandoc(action.__doc__ or "") if action else ""

    def get_tags(self) -> list[str]:
        """What it is about: the collection of its address."""
        place = self.path.removeprefix("/api/v1/").removeprefix("workspaces/{workspace}/").split("/")[0]
        return [ABOUT.get(place, place)]

    def get_override_parameters(self) -> list[Any]:
        given = list(super().get_override_parameters())
        known = {each.name for each in given if isinstance(each, OpenApiParameter)}
        paged = [LIMIT, AFTER] if self._is_page() else []
        if self.method == "POST" and getattr(self.view, "keeps_keys", False):
            paged.append(KEY)
        return [*given, *(each for each in paged if each.name not in known)]

    def _is_page(self) -> bool:
        answer = self.get_response_serializers()
        return self.method == "GET" and "next" in getattr(answer, "_declared_fields", {})


REFUSALS = {
    "400": ("Invalid", "The request says something that cannot be meant."),
    "401": ("Unauthenticated", "No token and no session, or one that is not good any more."),
    "403": ("Forbidden", "A member whose role, or a step whose scope, is too small."),
    "404": ("NotFound", "There is no such thing, or it is not the caller's to see."),
    "406": ("NotAcceptable", "Answers are JSON; `Accept` asks for something else."),
    "409": ("Conflict", "What is there does not allow it now."),
    "413": ("TooLarge", "The body is larger than this studio takes."),
    "415": ("UnsupportedMediaType", "The body is of another kind than this address takes."),
    "416": ("RangeNotSatisfiable", "The file does not reach as far as the range that was asked for."),
    "422": ("Unprocessable", "Well formed, but it cannot work; `facts` may name every problem."),
    "429": ("TooManyRequests", "Asked too often. `Retry-After` says when to ask again."),
    "503": ("Busy", "The database is held by others, and nothing was done. `Retry-After` says when to ask again."),
    "507": ("StudioFull", "The studio's own disk has no room."),
}
RETRY_AFTER = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds to wait."}}
ERROR = {
    "type": "object",
    "description": "The body of every refusal.",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "description": "Stable; programs decide by it."},
                "message": {"type": "string", "description": "A sentence for people."},
                "facts": {"type": "object", "additionalProperties": {}},
            },
            "required": ["code", "message", "facts"],
        }
    },
    "required": ["error"],
}


def add_refusals(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Name the refusals that every address shares once, and say which of them each operation may answer with."""
    components = result["components"]
    components.setdefault("schemas", {})["Error"] = ERROR
    components["responses"] = {name: _refusal(status, text) for status, (name, text) in REFUSALS.items()}
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            _describe(path, method, operation)
    return result


def _refusal(status: str, text: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    return {**found, "headers": RETRY_AFTER} if status in ("429", "503") else found


def _describe(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    statuses = {"400", "406", "503"}
    if {} not in operation.get("security", [{}]):
        statuses |= {"401", "403"}
    if "{" in path:
        statuses |= {"404", "409", "422"}
    if path.startswith(
        "/api/v1/studio/"
    ):  # for those who look after the installation; for others there is no such page
        statuses |= {"404"}
    if method != "get":
        statuses |= {"403", "409", "413", "415", "422", "429", "507"}
    for each in operation.get("parameters", ()):
        if each["in"] == "query" and each["schema"] == {"type": "boolean"}:
            each["schema"] = {"anyOf": [{"type": "boolean"}, {"type": "integer", "enum": [0, 1]}]}
    done = responses.get("200", {})
    if method == "get" and any(kind["schema"].get("format") == "binary" for kind in done.get("content", {}).values()):
        statuses |= {"416"}
        done["content"] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
        responses["206"] = {**done, "description": "The range that was asked for."}
    for status in sorted(statuses - responses.keys()):
        responses[status] = {"$ref": f"#/components/responses/{REFUSALS[status][0]}"}
