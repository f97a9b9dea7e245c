"""The lines and the OpenAPI document by which programs run a pipeline: each is carried out, or checked, as it stands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from drf_spectacular.validation import validate_schema

from pipelines import openapi
from pipelines.calls import body_of, calls_of

ODD = 'it\'s "q" ${HOME} `x` $(id) %s {0} \u2019 é\n\\ 100%'
GRAPH: dict[str, Any] = {
    "parameters": [
        {"name": "trees", "type": "int", "default": 300},
        {"name": "rate", "type": "float", "default": 0.1},
        {"name": "scale", "type": "bool", "default": True},
        {"name": "o'note", "type": "string", "default": ODD},
        {"name": "place", "type": "data_path", "default": "workspaceblobstore/raw/a b"},
        {"name": "penguins", "type": "dataset", "default": "0199-id"},
        {"name": "needed", "type": "string", "default": None},
    ]
}


@pytest.fixture
def listener() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its address, and what was posted to it."""
    heard: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.append({"path": self.path, "body": body, "token": self.headers["Authorization"]})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"RunUrl": "http://here/run"}')

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/Id/it's?name=a%20b&pipelineVersion=1", heard
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_lines_send_what_they_say_whatever_is_in_them(listener: tuple[str, list[dict[str, Any]]]) -> None:
    address, heard = listener
    calls = calls_of(address, ODD, GRAPH)
    env = {**os.environ, "DUTO_TOKEN": "t0ken", "NO_PROXY": "127.0.0.1"}
    subprocess.run(["bash", "-c", f"{calls.curl} --silent --fail"], env=env, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "-c", calls.python], env=env, check=True, stdout=subprocess.DEVNULL)
    assert [each["body"] for each in heard] == [body_of(ODD, GRAPH)] * 2
    assert {each["token"] for each in heard} == {"Bearer t0ken"}
    assert {each["path"] for each in heard} == {"/Id/it's?name=a%20b&pipelineVersion=1"}


def test_what_powershell_reads_in_single_quotes_is_the_request() -> None:
    line = calls_of("http://here/it's", ODD, GRAPH).powershell
    texts = re.findall(r"'((?:[^'\u2018\u2019\u201a\u201b]|''|\u2019\u2019)*)'", line)
    read = [text.replace("''", "'").replace("\u2019\u2019", "\u2019") for text in texts]
    assert read[0] == "http://here/it's"
    assert json.loads(read[-1]) == body_of(ODD, GRAPH)
    assert line.isascii()


def test_data_stand_apart_as_in_the_request_of_azure() -> None:
    assert body_of("e", GRAPH) == {
        "ExperimentName": "e",
        "ParameterAssignments": {"trees": 300, "rate": 0.1, "scale": True, "o'note": ODD, "needed": None},
        "DataPathAssignments": {
            "place": {"LiteralDataPath": {"DataStoreName": "workspaceblobstore", "RelativePath": "raw/a b"}}
        },
        "DataSetDefinitionValueAssignments": {"penguins": {"SavedDataSetReference": {"Id": "0199-id"}}},
    }


def test_the_document_is_valid_and_has_the_parameters_with_types_and_defaults() -> None:
    made = openapi.document("https://here:8/api/v1/x/Id/1", 'night\'s "run"', "Scores.", "", GRAPH)
    validate_schema(made)
    assert (made["servers"], list(made["paths"])) == ([{"url": "https://here:8"}], ["/api/v1/x/Id/1"])
    operation = made["paths"]["/api/v1/x/Id/1"]["post"]
    found = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
    plain = found["ParameterAssignments"]["properties"]
    assert plain["trees"] == {"type": "integer", "default": 300}
    assert (plain["rate"]["type"], plain["scale"]["default"], plain["needed"]) == ("number", True, {"type": "string"})
    assert list(found["DataPathAssignments"]["properties"]) == ["place"]
    assert list(found["DataSetDefinitionValueAssignments"]["properties"]) == ["penguins"]
    validate_schema(openapi.document("https://here/x", "bare", "", "2", {}))


def test_the_document_says_what_each_parameter_takes() -> None:
    declared = [
        {"name": "size", "type": "string", "default": "s", "choices": ["s", "l"], "help": "How much."},
        {"name": "rounds", "type": "int", "default": 3, "minimum": 1, "maximum": 9},
        {"name": "layers", "type": "list", "default": [64], "minimum": 1},
        {"name": "any", "type": "list", "default": []},
        {"name": "options", "type": "json", "default": {"a": 1}},
        {
            "name": "since",
            "type": "datetime",
            "default": "2024-01-01T00:00:00+00:00",
            "minimum": "2024-01-01T00:00:00+00:00",
        },
        {"name": "place", "type": "data_path", "default": "store/raw", "help": "Where from."},
    ]
    made = openapi.document("https://here/x", "p", "", "", {"parameters": declared})
    validate_schema(made)
    found = made["paths"]["/x"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert found["ParameterAssignments"]["properties"] == {
        "size": {"type": "string", "enum": ["s", "l"], "default": "s", "description": "How much."},
        "rounds": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "layers": {"type": "array", "items": {"type": "integer", "minimum": 1}, "default": [64]},
        "any": {"type": "array", "items": {}, "default": []},
        "options": {"type": "object", "default": {"a": 1}},
        "since": {"type": "string", "format": "date-time", "default": "2024-01-01T00:00:00+00:00"},
    }
    assert found["DataPathAssignments"]["properties"]["place"]["description"] == "Where from."
    body = body_of("e", {"parameters": declared})
    assert body["ParameterAssignments"] == {each["name"]: each["default"] for each in declared[:-1]}
