"""What follows a commit never fails who committed."""

from __future__ import annotations

from functools import partial

import pytest
from django.db import transaction

from core.work import after_commit


@pytest.mark.django_db(transaction=True)
def test_an_action_after_a_commit_that_fails_is_logged_and_the_next_is_done(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []
    with transaction.atomic():
        after_commit(partial(int, "no number"))
        after_commit(partial(done.append, "next"))
    assert done == ["next"] and "no number" in caplog.text
