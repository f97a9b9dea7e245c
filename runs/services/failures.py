"""Failures in words: whose fault it is, what happened, what to do (docs/wire.md, `error`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core import words
from core.errors import StudioError
from environments.models import EnvironmentBuild
from runs import causes, told
from runs.models import Attempt, Run


def failure(cause: str, message: str, **more: Any) -> dict[str, Any]:
    return {"cause": cause, "message": message, "exit_code": None, "signal": None, "traceback": None, **more}


def refused(cause: str, error: StudioError) -> dict[str, Any]:
    """Of what the studio refused itself: with what it takes to say it in another reader's language."""
    return failure(cause, error.message, said=told.kept_of(error))


def skipped(because: Iterable[str]) -> dict[str, Any]:
    names = ", ".join(because)
    text = (
        f"Skipped: it needs {names}."
        if names
        else "Skipped: another step failed, and the run does not go on after a failure."
    )
    return failure("skipped", text)


def compute_gone(name: str) -> dict[str, Any]:
    return failure(
        "studio_fault",
        f"The compute target '{name}' was deleted before the step could start. Create it again, then resubmit.",
    )


def environment(build: EnvironmentBuild) -> dict[str, Any]:
    text = build.message or "The environment could not be built. Its build log says why."
    return failure("environment", text, build=str(build.pk))


def canceled(attempt: Attempt) -> dict[str, Any]:
    """By whom, and what is left of the processes: the proof that its agent told."""
    run = attempt.run
    who = run.cancel_requested_by or (run.root or run).cancel_requested_by
    with words.stored():
        proof = causes.proof_words(attempt.proof)
    sentences = [f"Canceled by {who}." if who else "Canceled.", proof]
    return failure("canceled", " ".join(filter(None, sentences)), attempt=attempt.number, proof=attempt.proof)


def of_attempt(attempt: Attempt) -> dict[str, Any]:
    """The error of a run whose last attempt ended badly."""
    return failure(
        attempt.cause or "user_error",
        attempt.message,
        exit_code=attempt.exit_code,
        signal=attempt.signal,
        traceback=attempt.traceback,
        attempt=attempt.number,
        **({"code": attempt.declared["code"]} if attempt.declared and attempt.declared["code"] else {}),
        **({"said": attempt.said} if attempt.said else {}),
    )


def of_pipeline(root: Run) -> dict[str, Any]:
    """A pipeline's error is that of the step that failed first."""
    rows = (
        Run.objects.filter(root=root.pk, status=Run.Status.FAILED, step__isnull=False)
        .select_related("step")
        .defer("graph")
    )
    failed = list(rows.order_by("finished_at")[:20])
    if not failed:
        return failure("studio_fault", "The run failed, but none of its steps did. This is a fault of the studio.")
    first = failed[0]
    error = dict(first.error or failure("user_error", "The step failed."))
    return {
        **error,
        "step": first.step.node_id,
        "run": str(first.pk),
        "failed_steps": [run.step.name for run in failed],
    }
