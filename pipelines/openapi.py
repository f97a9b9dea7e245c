"""The OpenAPI document of one published pipeline's address, with its own parameters. Pure.

Clients that are generated from it ask for the parameters by name, with types and defaults; `GET schema` describes the call
for any pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from core import once
from duto.spec.declarations import of_document
from duto.spec.parameters import element_type

TYPES = {
    "string": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "json": "object",
    "datetime": "string",
}  # fmt: skip
DATA_PATH = {
    "type": "object",
    "properties": {
        "LiteralDataPath": {
            "type": "object",
            "required": ["DataStoreName", "RelativePath"],
            "properties": {"DataStoreName": {"type": "string"}, "RelativePath": {"type": "string"}},
        }
    },
}
DATASET = {
    "type": "object",
    "properties": {
        "SavedDataSetReference": {
            "type": "object",
            "required": ["Id"],
            "properties": {"Id": {"type": "string", "description": "The id of a dataset's version."}},
        }
    },
}
RUN = {
    "type": "object",
    "required": ["Id", "RunUrl", "Status"],
    "properties": {
        "Id": {"type": "string", "format": "uuid", "description": "The run's."},
        "RunUrl": {"type": "string", "description": "Its page."},
        "Status": {"type": "string"},
    },
}
REFUSED = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "facts": {"type": "object"}},
        }
    },
}
REFUSALS = {
    "400": "A value is none of its parameter's type.",
    "401": "No token, or one that is not good any more.",
    "403": "The token's role is too small.",
    "404": "There is no such pipeline, or it is not the caller's to see.",
    "409": "It is disabled, or something that it needs is gone.",
    "422": "It cannot run as it is; the message names every problem.",
    "429": "Asked too often. `Retry-After` says when to ask again.",
}
KEY = {
    "name": once.HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "Of a key that was sent before with the same request, the answer tells what that did; nothing is done again.",
}


def document(address: str, name: str, description: str, version: str, graph: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0 of the one operation that `address` has."""
    place = urlsplit(address)
    content = {"application/json": {"schema": _body(graph)}}
    refused = {"application/json": {"schema": {"$ref": "#/components/schemas/Refused"}}}
    return {
        "openapi": "3.0.3",
        "info": {"title": name, "description": description, "version": version or "1"},
        "servers": [{"url": f"{place.scheme}://{place.netloc}"}],
        "paths": {
            place.path: {
                "post": {
                    "operationId": "run",
                    "summary": f"Run {name}.",
                    "parameters": [KEY],
                    "requestBody": {"required": True, "content": content},
                    "security": [{"token": []}],
                    "responses": {
                        "200": {
                            "description": "The run, which has begun.",
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Run"}}},
                        },
                        **{status: {"description": why, "content": refused} for status, why in REFUSALS.items()},
                    },
                }
            }
        },
        "components": {
            "schemas": {"Run": RUN, "Refused": REFUSED},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _body(graph: Mapping[str, Any]) -> dict[str, Any]:
    """Where each kind of parameter stands in the request; what is left out has its default."""
    plain: dict[str, Any] = {}
    places: dict[str, Any] = {}
    datasets: dict[str, Any] = {}
    for each in graph.get("parameters", []):
        name, kind = each["name"], each["type"]
        about = {"description": each["help"]} if each.get("help") else {}
        if kind == "data_path":
            places[name] = {**DATA_PATH, **about}
        elif kind == "dataset":
            datasets[name] = {**DATASET, **about}
        else:
            plain[name] = {**_schema(each), **about}
    sections = {
        "ParameterAssignments": plain,
        "DataPathAssignments": places,
        "DataSetDefinitionValueAssignments": datasets,
    }
    named: dict[str, Any] = {key: {"type": "object", "properties": found} for key, found in sections.items() if found}
    if secrets := [each["name"] for each in graph.get("parameters", []) if each.get("secret")]:
        named["ParameterAssignments"]["required"] = secrets
    return {
        "type": "object",
        "properties": {
            "ExperimentName": {"type": "string", "description": "Left out: the studio chooses."},
            "Description": {"type": "string"},
            "Tags": {"type": "object", "additionalProperties": {"type": "string"}},
            **named,
        },
    }


def _schema(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a plain parameter, with what it takes."""
    if parameter.get("secret"):
        return {"type": "string", "format": "password", "writeOnly": True}
    kind, default = parameter["type"], parameter.get("default")
    allowed = _allowed(parameter)
    found: dict[str, Any] = {"type": TYPES[kind]}
    if kind == "datetime":
        # OpenAPI has no bounds for times: the help and the refusal say them.
        found["format"] = "date-time"
        allowed.pop("minimum", None)
        allowed.pop("maximum", None)
    if kind == "list":
        element = element_type(of_document(parameter))
        found["items"] = {**({"type": TYPES[element]} if element else {}), **allowed}
    else:
        found |= allowed
    return found if default is None else {**found, "default": default}


def _allowed(parameter: Mapping[str, Any]) -> dict[str, Any]:
    names = {"choices": "enum", "minimum": "minimum", "maximum": "maximum"}
    return {word: parameter[name] for name, word in names.items() if parameter.get(name) is not None}
