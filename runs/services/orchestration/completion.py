"""The end of a run by its program: `run.complete()` and `run.fail()`."""

from __future__ import annotations

from core.clock import now
from core.errors import Conflict
from runs.models import Attempt, Run
from runs.services.orchestration import failures
from runs.services.orchestration.run_transaction import run_transaction

K = Run.Kind
UNSAID = "The program called run.fail()."


def complete_run(run: Run) -> Run:
    """Say that an interactive or child run went well. What is over stays as it is.

    Raises Conflict (`ends_by_itself`) for a run that ends with its script or its steps.
    """
    with run_transaction(run.root_id or run.pk) as root:
        mine = _mine(root, run)
        if mine.is_final:
            return mine
        if mine.kind not in (K.INTERACTIVE, K.CHILD):
            raise Conflict(
                "This run ends with its script or its steps, and by nothing else. Wait for it, or cancel it.",
                code="ends_by_itself",
            )
        mine.move(Run.Status.COMPLETED, finished_at=now())
    return mine


def fail_run(run: Run, *, message: str = "", code: str = "") -> Run:
    """Say that a run failed, and why. What is over stays as it is.

    The script of a step goes on, and its step is failed at its end. Raises Conflict: `ends_by_itself` for a pipeline,
    `not_started` for a step whose script does not run.
    """
    text = message or UNSAID
    with run_transaction(run.root_id or run.pk) as root:
        mine = _mine(root, run)
        if mine.is_final:
            return mine
        if mine.kind in (K.INTERACTIVE, K.CHILD):
            more = {"code": code} if code else {}
            mine.move(Run.Status.FAILED, finished_at=now(), error=failures.failure("user_error", text, **more))
        elif mine.kind in (K.STEP, K.SCRIPT, K.TRIAL):
            _declare(mine, {"message": text, "code": code})
        else:
            raise Conflict("A pipeline run fails when a step does. Cancel it to stop it.", code="ends_by_itself")
    return mine


def _declare(run: Run, declared: dict[str, str]) -> None:
    at_work = Attempt.objects.filter(run=run.pk).exclude(status__in=[Attempt.Status.QUEUED, *Attempt.ENDS])
    if not at_work.update(declared=declared):
        raise Conflict(
            "The script of this run does not run, so it cannot fail. Cancel the run to stop it.", code="not_started"
        )


def _mine(root: Run, run: Run) -> Run:
    """The run as stored, under its root's lock."""
    mine = root if root.pk == run.pk else Run.objects.defer("graph").get(pk=run.pk)
    mine.root = root
    return mine
