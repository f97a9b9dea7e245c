"""The OpenAPI document is what the studio does: requests drawn from it are answered as it says, and those that it forbids are refused."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase
from schemathesis import GenerationMode
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi import checks as c

from tests.live.test_walk import World
from tests.openapi import document

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

# More, by hand: CONTRACT_EXAMPLES=50 pytest ...
EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "1"))
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CHECKS = [
    c.status_code_conformance, c.content_type_conformance, c.response_headers_conformance, c.response_schema_conformance,
    c.negative_data_rejection,
]  # fmt: skip
# What a request that fits the schema may be answered with, beside success: refused for what the studio holds.
FITTING = {401, 403, 404, 409, 422}
REFUSED = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422"]
CONFIG = {
    "checks": {"negative_data_rejection": {"expected-statuses": REFUSED}},
    "generation": {"allow-x00": False, "codec": "utf-8"},
}


@pytest.fixture
def world(db: None) -> Iterator[World]:
    made = World()
    # The application runs in the test's own thread and transaction.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield made
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def real(world: World, path: str) -> dict[str, str]:
    """The values of a path's variables that something stands behind."""
    found: dict[str, str] = {}
    for match in re.finditer(r"{(\w+)}", path):
        before = path[: match.start()]
        fitting = [value for place, name, value in world.values if name == match.group(1) and place in before]
        found[match.group(1)] = fitting[0] if fitting else "x"
    return found


def sample_of(case: Any, response: Any, failure: Exception) -> str:
    body = getattr(case, "body", None)
    sent = f"{case.method} {case.formatted_path} ?{case.query} {str(body)[:300]}"
    return (
        f"[{type(failure).__name__}] {sent} -> {response.status_code} {response.content[:300]!r}: {str(failure)[:300]}"
    )


def test_requests_drawn_from_the_document_are_answered_as_it_says(world: World) -> None:
    schema = schemathesis.openapi.from_dict(deepcopy(document()), config=schemathesis.Config.from_dict(CONFIG))
    schema.app = get_wsgi_application()
    headers = {"Authorization": world.callers["owner's token"].defaults["HTTP_AUTHORIZATION"]}
    wrong: Counter[str] = Counter()
    samples: dict[str, str] = {}
    count = 0

    def look(case: Any, mode: GenerationMode) -> None:
        nonlocal count
        count += 1
        if "header" in negated(case) or has_null_in_form(case):  # who asks is settled above
            return
        point = transaction.savepoint()
        try:
            if count % 4 and "path" not in negated(case):  # else what was drawn, which nothing stands behind
                case.path_parameters = {**case.path_parameters, **real(world, case.operation.path)}
            if mode is GenerationMode.POSITIVE and isinstance(case.query, dict):
                case.query.pop("after", None)  # nobody but the studio makes cursors
            response = case.call(headers=headers)
        finally:
            transaction.set_rollback(False)
            transaction.savepoint_rollback(point)
        found: list[Exception] = []
        try:
            case.validate_response(response, checks=CHECKS[:-1] if takes_anything(case) else CHECKS)
        except FailureGroup as group:
            found += list(group.exceptions)
        except Failure as failure:
            found.append(failure)
        if response.status_code >= 500:
            found.append(AssertionError("a fault"))
        elif mode is GenerationMode.POSITIVE and response.status_code >= 400 and not is_by_a_rule(response):
            found.append(AssertionError("what fits was refused"))
        for failure in found:
            key = f"{case.operation.label} {type(failure).__name__} {str(failure)[:40].splitlines()[0]} {response.status_code}"
            wrong[key] += 1
            samples.setdefault(key, sample_of(case, response, failure))

    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in MODES:
            try:
                strategy = operation.as_strategy(generation_mode=mode)

                @hypothesis.settings(
                    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None,
                    suppress_health_check=list(HealthCheck), phases=[Phase.generate],
                )  # fmt: skip
                @hypothesis.given(case=strategy)
                def draw(case: Any) -> None:
                    look(case, mode)  # noqa: B023 - called before the next turn

                draw()
            except (hypothesis.errors.Unsatisfiable, ValueError, schemathesis.errors.InvalidSchema) as nothing:
                print("nothing", operation.label, mode, str(nothing)[:100])
    assert count > 100
    assert not wrong, f"{len(wrong)} kinds in {count} requests:\n" + "\n".join(samples.values())


def is_by_a_rule(response: Any) -> bool:
    """Refused for what the studio holds, or by a rule that has a code of its own: no disagreement about the shape."""
    return response.status_code in FITTING or response.json()["error"]["code"] != "invalid"


def has_null_in_form(case: Any) -> bool:
    """A form has no way to say null: it would travel as a text."""
    return case.media_type == "multipart/form-data" and None in dict(case.body).values()


def takes_anything(case: Any) -> bool:
    """Any bytes are a file; and programs of elsewhere have long been sending the trigger texts for numbers."""
    return case.media_type == "application/octet-stream" or "PipelineSubmit" in case.path


def negated(case: Any) -> set[str]:
    """The parts of the request that were drawn so as not to fit."""
    if case.meta is None:
        return set()
    return {place.value for place, info in case.meta.components.items() if info.mode is GenerationMode.NEGATIVE}
