"""How programs run a published pipeline by its address: a line for a terminal, a program in Python and in PowerShell. Pure.

The token stays in a variable of the environment, so that it gets into no history and no file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from duto.spec import parameters

# What ends a text in single quotes: PowerShell takes the typographic ones for it, too.
POWERSHELL_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")
PYTHON = """\
import os

import requests

answer = requests.post(
    {address!r},
    headers={{"Authorization": f"Bearer {{os.environ['DUTO_TOKEN']}}"}},
    json={body},
    timeout=60,
)
answer.raise_for_status()
print(answer.json()["RunUrl"])"""
POWERSHELL = """\
Invoke-RestMethod -Method Post -Uri {address} `
  -Headers @{{ Authorization = "Bearer $env:DUTO_TOKEN" }} `
  -ContentType 'application/json' `
  -Body {body}"""


@dataclass(frozen=True)
class Calls:
    """The same request in three languages."""

    curl: str
    python: str
    powershell: str


def calls_of(address: str, experiment: str, graph: Mapping[str, Any]) -> Calls:
    """The request with the defaults of the pipeline's parameters, which its reader puts values for."""
    body = body_of(experiment, graph)
    text = json.dumps(body, ensure_ascii=False)
    # Windows' own PowerShell sends a body in Latin-1.
    plain = json.dumps(body, ensure_ascii=True)
    return Calls(
        curl=" ".join(
            (
                'curl -X POST -H "Authorization: Bearer $DUTO_TOKEN"',
                "-H 'Content-Type: application/json'",
                f"-d {_of_shell(text)} {_of_shell(address)}",
            )
        ),
        python=PYTHON.format(address=address, body=repr(body)),
        powershell=POWERSHELL.format(address=_of_powershell(address), body=_of_powershell(plain)),
    )


def body_of(experiment: str, graph: Mapping[str, Any]) -> dict[str, Any]:
    """What is posted: data paths and datasets stand apart from plain values, as in Azure ML's request."""
    body: dict[str, Any] = {"ExperimentName": experiment, "ParameterAssignments": {}}
    for each in graph.get("parameters", []):
        name, value = each["name"], each.get("default")
        if each["type"] == "data_path":
            place = parameters.coerce(name, "data_path", value) if value else {}
            literal = {"DataStoreName": place.get("datastore", ""), "RelativePath": place.get("path", "")}
            body.setdefault("DataPathAssignments", {})[name] = {"LiteralDataPath": literal}
        elif each["type"] == "dataset":
            reference = {"SavedDataSetReference": {"Id": value or ""}}
            body.setdefault("DataSetDefinitionValueAssignments", {})[name] = reference
        elif each.get("secret"):
            body["ParameterAssignments"][name] = f"<{name}>"
        else:
            body["ParameterAssignments"][name] = value
    return body


def _of_shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _of_powershell(text: str) -> str:
    return "'" + POWERSHELL_QUOTES.sub(lambda found: found.group() * 2, text) + "'"
