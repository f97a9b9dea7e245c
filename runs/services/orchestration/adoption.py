"""Whether a step of a resumed run takes over what its step of the earlier run did, and why not where it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.translation import gettext as _

from duto.spec import fingerprint, status
from runs import differences, stored_messages
from runs.models import Output, Run, StepRun
from runs.services.orchestration import reuse
from runs.services.orchestration.run_state import RunState

ENDS = {
    Run.Status.FAILED: "failed_there",
    Run.Status.CANCELED: "canceled_there",
    Run.Status.SKIPPED: "skipped_there",
}
HEAVY = ("run__graph", "run__root__graph", "reused_from__graph", "reused_from__root__graph")


def load(run_state: RunState, nodes: Iterable[str]) -> None:
    """Load the earlier steps of these nodes, and what they wrote: two queries.

    None for a run that resumes none.
    """
    missing = [node for node in nodes if node not in run_state.sources]
    if run_state.root.resumed_from_id is None or not missing:
        return
    rows = StepRun.objects.filter(run__root=run_state.root.resumed_from_id, node_id__in=missing)
    rows = rows.select_related("run__root", "reused_from__root", "reused_from__step").defer(*HEAVY)
    run_state.sources.update({row.node_id: row for row in rows})
    load_written(run_state, rows)


def load_written(run_state: RunState, sources: Iterable[StepRun]) -> None:
    """Load what these earlier steps wrote, or those that they were reused from."""
    written_by = {row.reused_from_id or row.run_id for row in sources}
    for output in Output.objects.filter(run__in=written_by).order_by("name"):
        run_state.written.setdefault(output.run_id, []).append(output)


def look_up(run_state: RunState, node: str, document: dict[str, Any], digest: str) -> reuse.Answer:
    """What stands for the step: its result in the resumed run, else any earlier one by the ordinary rules.

    The person who resumes asks for what was finished, so neither allow_reuse=False nor a forced run hinders it.
    """
    source = run_state.sources.get(node)
    if source is None:
        return reuse.look_up(run_state, node, document, digest)
    own = unfinished(run_state, source, node, document) or compare(run_state, source, node, document, digest)
    if own.source is not None:
        return own
    ordinary = reuse.look_up(run_state, node, document, digest)
    return ordinary if ordinary.source is not None else own


def unfinished(run_state: RunState, source: StepRun, node: str, document: dict[str, Any] | None) -> reuse.Answer | None:
    """The refusal of a step that did not complete, with what has changed since where that is known."""
    if source.run.status == Run.Status.COMPLETED:
        return None
    number = reuse.number_of(source)
    text = stored_messages.say(ENDS.get(Run.Status(source.run.status), "unfinished_there"), number=number)
    found: list[fingerprint.Difference] = []
    if document is not None and source.fingerprint_document:
        found = fingerprint.compare(
            source.fingerprint_document, document, *reuse.files_of_both(run_state, source, node)
        )
    documents = [each.to_document() for each in found]
    return _no(source, "unfinished", f"{text} {stored_messages.since(documents)}" if documents else text, documents)


def verdict(run_state: RunState, source: StepRun, digest: str) -> tuple[str, reuse.Lost | None]:
    """Whether the result of a step that completed still holds: `adopted`, or the code of why not, with what was lost."""
    if source.fingerprint != digest:
        return "different", None
    if source.reused_from_id is None and source.run.properties.get(status.IS_REUSED) == "true":
        return "source_gone", None
    lost = reuse.changed_output(run_state, _written(run_state, source), reuse.number_of(source))
    return (lost.code, lost) if lost else ("adopted", None)


def compare(run_state: RunState, source: StepRun, node: str, document: dict[str, Any], digest: str) -> reuse.Answer:
    """The same with its explanation."""
    number = reuse.number_of(source)
    code, lost = verdict(run_state, source, digest)
    if code == "different":
        before = source.fingerprint_document or {}
        found = fingerprint.compare(before, document, *reuse.files_of_both(run_state, source, node))
        documents = [each.to_document() for each in found]
        facts = {"differences": differences.listed(documents), "number": number}
        return _no(source, code, _("It runs: %(differences)s since #%(number)s.") % facts, documents)
    if code == "source_gone":
        return _no(source, code, stored_messages.say("source_gone", number=number))
    if lost:
        return _no(source, code, stored_messages.say("not_adopted", why=lost.why), output=lost.as_document())
    text = stored_messages.say("adopted", number=number)
    if unknown := reuse.unhashable(document):
        text += f" {stored_messages.not_compared(unknown)}"
    facts = {**reuse.facts_of(source), **_evidence(source)}
    explanation = {"reused": True, "code": "adopted", "text": text, "differences": [], "compared_with": facts}
    return reuse.Answer(source.reused_from or source.run, explanation)


def _written(run_state: RunState, source: StepRun) -> list[Output]:
    rows = {row.name: row for row in run_state.written.get(source.reused_from_id or source.run_id, ())}
    return [rows.get(name) or reuse.deleted_output(name) for name in source.output_digests]


def _no(source: StepRun, code: str, text: str, documents: Sequence[dict[str, Any]] = (), **more: Any) -> reuse.Answer:
    compared = {**reuse.facts_of(source), **more}
    return reuse.Answer(
        None, {"reused": False, "code": code, "text": text, "differences": [*documents], "compared_with": compared}
    )


def _evidence(source: StepRun) -> dict[str, Any]:
    """Where the result really is: a resumed run may itself have adopted or reused it."""
    found = source.reused_from
    if found is None:
        return {}
    return {
        "run": str(found.pk),
        "root": str(found.root_id),
        "number": (found.root or found).number,
        "node": found.step.node_id,
    }
