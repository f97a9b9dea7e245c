"""Specs of steps and builds for the tests of the agent, by the parts that a test is about."""

from __future__ import annotations

from typing import Any

from duto_protocol.messages import BuildSpec, LaunchSpec
from duto_protocol.reading import of_document


def step_of(document: dict[str, Any]) -> LaunchSpec:
    message = of_document(document, LaunchSpec)
    assert message.ignored == []
    return message.message


def build_of(document: dict[str, Any]) -> BuildSpec:
    message = of_document(document, BuildSpec)
    assert message.ignored == []
    return message.message
