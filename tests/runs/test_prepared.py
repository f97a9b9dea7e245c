"""Prepared statements answer as the queryset that they are made of, on both databases, in every thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from core.clock import now
from core.prepared import Prepared
from runs.models import Attempt, Run, StepRun
from tests.runs.conftest import RunScenario

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def of_steps(root: object, node: object) -> QuerySet[Run]:
    return Run.objects.filter(root=root, step__node_id=node).select_related("step", "root").defer("graph")


def test_rows_and_what_hangs_on_them_are_those_of_the_queryset(scenario: RunScenario) -> None:
    prepared: Prepared[Run] = Prepared(of_steps, UUID, str)
    for root in (scenario.pipeline("a -> b"), scenario.pipeline("b -> a")):
        for node in ("a", "b", "a"):
            (plain,), (found,) = of_steps(root.pk, node), prepared.all(root.pk, node)
            with CaptureQueriesContext(connection) as asked:
                assert (found.pk, found.step.node_id, found.root.pk) == (plain.pk, node, root.pk)
                assert (found.created_at, found.properties) == (plain.created_at, plain.properties)
            assert not asked
            assert "graph" in found.get_deferred_fields() and found.graph == plain.graph


def test_nothing_is_found_by_a_key_that_is_not_there(scenario: RunScenario) -> None:
    prepared: Prepared[Run] = Prepared(of_steps, UUID, str)
    root = scenario.pipeline("a")
    assert prepared.first(root.pk, "b") is None and prepared.all(uuid4(), "a") == []
    assert prepared.first(root.pk, "a' OR '1'='1") is None


def test_the_statement_is_built_once_and_asked_each_time(scenario: RunScenario) -> None:
    built = []

    def build(key: object) -> QuerySet[Run]:
        built.append(key)
        return Run.objects.filter(pk=key)

    prepared: Prepared[Run] = Prepared(build)
    runs = [scenario.pipeline("a") for _ in range(3)]
    with CaptureQueriesContext(connection) as asked:
        assert [prepared.all(run.pk) for run in runs] == [[run] for run in runs]
    assert (len(built), len(asked)) == (1, 3)


def test_values_and_conditions_that_stay_the_same(scenario: RunScenario) -> None:
    prepared: Prepared[tuple[str, str]] = Prepared(
        lambda root: (
            StepRun.objects.filter(run__root=root, run__status__in=["Running", "Failed"])
            .exclude(node_id="b")
            .order_by("node_id")
            .values_list("node_id", "run__status")
        )
    )
    assert prepared.all(scenario.pipeline("c -> b -> a").pk) == [("a", "Running"), ("c", "Running")]
    assert prepared.all(scenario.pipeline("a", status="Completed").pk) == []


def test_it_sees_what_was_written_meanwhile(scenario: RunScenario) -> None:
    prepared: Prepared[Run] = Prepared(lambda key: Run.objects.filter(pk=key))
    run = scenario.pipeline("a")
    before = prepared.first(run.pk)
    Run.objects.filter(pk=run.pk).update(display_name="later", started_at=now())
    after = prepared.first(run.pk)
    assert before is not None and after is not None
    assert (before.display_name, after.display_name) == ("", "later") and after.started_at is not None


def test_a_key_that_is_not_compared_as_it_is_is_refused(scenario: RunScenario) -> None:
    prepared: Prepared[Run] = Prepared(lambda text: Run.objects.filter(display_name__contains=text), str)
    with pytest.raises(ValueError, match="as it is"):
        prepared.all("x")


@pytest.mark.django_db(transaction=True)
def test_rows_are_locked_inside_a_transaction_only_and_each_thread_has_its_connection(scenario: RunScenario) -> None:
    prepared: Prepared[Attempt] = Prepared(lambda key: Attempt.objects.select_for_update().filter(run=key))
    run = scenario.step(scenario.pipeline("a"), "a")
    attempt = scenario.attempt(run)

    def read() -> list[Attempt]:
        try:
            with transaction.atomic():
                return prepared.all(run.pk)
        finally:
            connection.close()

    assert read() == [attempt]
    with ThreadPoolExecutor(2) as pool:
        assert [each.result() for each in [pool.submit(read) for _ in range(4)]] == [[attempt]] * 4
    with pytest.raises(TransactionManagementError):
        prepared.all(run.pk)


def test_keys_are_ids_texts_numbers_and_times(scenario: RunScenario) -> None:
    run = scenario.pipeline("a")
    prepared: Prepared[Run] = Prepared(
        lambda key, name, number, since: Run.objects.filter(
            pk=key, experiment__name=name, number__lte=number, created_at__gte=since
        ),
        UUID, str, int, datetime,
    )  # fmt: skip
    hour = timedelta(hours=1)
    assert prepared.first(run.pk, "Palmer experiment", run.number, now() - hour) == run
    assert prepared.first(run.pk, "Palmer experiment", run.number - 1, now() - hour) is None
    assert prepared.first(run.pk, "Palmer experiment", run.number, now() + hour) is None
    assert prepared.first(run.pk, "another", run.number, now() - hour) is None
