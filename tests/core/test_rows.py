"""Numbers in JSON columns are on both databases what they were."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rows import spelt
from workspaces.models import Workspace

pytestmark = pytest.mark.sqlite
NUMBERS = [
    1e16,
    -1e16,
    1.2345678901234567e300,
    1e22,
    -0.0,
    0.0,
    0.1,
    1e-7,
    5e-324,
    10**16,
    2**70,
    -1,
    1.7976931348623157e308,
]
TEXTS = ["1e+16", '"1e+16', "[-0.0, 1e+300]", "\\", '\\"-0.0', "-0.05"]


@pytest.mark.django_db
def test_floats_stay_floats_and_whole_numbers_whole() -> None:
    tags = {"numbers": NUMBERS, "texts": TEXTS, "1e+16": {"-0.0": [-0.05, 1.5e16]}}
    row = Workspace.objects.create(name="numbers", tags=tags)
    found = Workspace.objects.get(pk=row.pk).tags
    assert repr(found) == repr(tags) or json.dumps(found, sort_keys=True) == json.dumps(tags, sort_keys=True)
    assert math.copysign(1, found["numbers"][4]) == -1


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(max_size=9), max_size=9))
def test_the_spelling_changes_no_value(document: object) -> None:
    text = json.dumps(document)
    assert repr(json.loads(spelt(text))) == repr(json.loads(text))
