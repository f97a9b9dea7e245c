"""Failures in words: whose fault it is, what happened, what to do (docs/wire.md, `error`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core import words
from core.errors import StudioError
from environments.models import EnvironmentBuild
from runs import causes, stored_messages
from runs.models import Attempt, Run


def failure(cause: str, message: str, **more: Any) -> dict[str, Any]:
    return {"cause": cause, "message": message, "exit_code": None, "signal": None, "traceback": None, **more}


def refused(cause: str, error: StudioError) -> dict[str, Any]:
    """Of what the studio refused itself: with what it takes to say it in another reader's language."""
    return failure(cause, error.message, said=stored_messages.kept_of(error))


def kept(cause: str, name: str, facts: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """By a sentence of `told`: stored in English, with what it takes to say it in another reader's language."""
    return failure(cause, **sentence(name, **facts), **more)


def sentence(name: str, /, **facts: Any) -> dict[str, Any]:
    """A sentence of `told` as a row keeps it: `message`, and what that is made of."""
    with words.stored():
        message = stored_messages.say(name, **facts)
    return {"message": message, "said": {"code": name, "facts": facts}}


def skipped(because: Iterable[str]) -> dict[str, Any]:
    names = ", ".join(because)
    return kept("skipped", "skipped", {"names": names}) if names else kept("skipped", "skipped_after", {})


def compute_gone(name: str) -> dict[str, Any]:
    return kept("studio_fault", "compute_gone", {"name": name})


def environment(build: EnvironmentBuild) -> dict[str, Any]:
    if build.message:
        said = build.said.get("message")
        return failure("environment", build.message, build=str(build.pk), **({"said": said} if said else {}))
    return kept("environment", "not_built", {}, build=str(build.pk))


def canceled_by(who: str, **more: Any) -> dict[str, Any]:
    """Of what never ran, or whose end says nothing more."""
    return kept("canceled", "canceled_by", {"who": who}, **more) if who else kept("canceled", "canceled", {}, **more)


def canceled(attempt: Attempt) -> dict[str, Any]:
    """By whom, and what is left of the processes: the proof that its agent told."""
    run = attempt.run
    who = run.cancel_requested_by or (run.root or run).cancel_requested_by
    error = canceled_by(who, attempt=attempt.number, proof=attempt.proof)
    with words.stored():
        proof = causes.proof_words(attempt.proof)
    return {**error, "message": f"{error['message']} {proof}".strip()}


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
        .exclude(kind=Run.Kind.TRIAL)
        .select_related("step")
        .defer("graph")
    )
    failed = list(rows.order_by("finished_at")[:20])
    if not failed:
        return kept("studio_fault", "no_step_failed", {})
    first = failed[0]
    error = dict(first.error or kept("user_error", "step_failed", {}))
    return {
        **error,
        "step": first.step.node_id,
        "run": str(first.pk),
        "failed_steps": [run.step.name for run in failed],
    }
