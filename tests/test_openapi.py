"""The committed OpenAPI document is the one that the studio would generate, and generating it says nothing."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command

from tests.openapi import FILE, document


def test_the_committed_document_is_the_one_that_is_generated_without_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    generated = StringIO()
    call_command("spectacular", "--fail-on-warn", "--validate", stdout=generated)
    assert "Warning" not in capsys.readouterr().err
    assert FILE.read_text() == generated.getvalue(), (
        "The REST interface has changed. Write it down: python3 manage.py spectacular --file docs/openapi.yaml"
    )


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [
        action["operationId"]
        for path in document()["paths"].values()
        for action in path.values()
        if "operationId" in action
    ]
    assert len(names) == len(set(names)) > 60
