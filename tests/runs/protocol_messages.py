"""What an agent tells, as the studio reads it: for tests that ask the services themselves."""

from __future__ import annotations

import json
from typing import Any

from compute.models import Host
from duto_protocol.messages import BuildReport, BuildSpec, Finished, HostFacts, Work
from duto_protocol.reading import of_document, read, written
from runs.agents import exchange


def answer_to(host: Host, document: dict[str, Any]) -> dict[str, Any]:
    """The answer of an exchange, as its agent reads it."""
    reading = exchange.exchange_of(host, json.dumps(document).encode())
    return dict(json.loads(written(exchange.answer_to(host, reading))))


def facts_of(document: dict[str, Any]) -> HostFacts:
    return of_document(document, HostFacts).message


def verdict_of(document: dict[str, Any]) -> Finished:
    return of_document(document, Finished).message


def build_report_of(document: dict[str, Any]) -> BuildReport:
    return of_document(document, BuildReport).message


def spec_of(work: Work) -> BuildSpec:
    return read(work.spec, BuildSpec).message
