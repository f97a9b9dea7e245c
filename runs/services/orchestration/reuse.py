"""Whether a step's earlier result may stand for a new one, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext as _

from core.clock import now
from core.errors import NotFound, StudioError
from core.prepared import Prepared
from core.storage import Root
from datasets import references
from duto.spec import fingerprint, status
from runs import stored_messages
from runs.models import Output, Run, StepRun
from runs.services.orchestration.run_state import RunState
from runs.services.results import outputs
from runs.services.results.output_check import Change

# Of a name so many of the newest steps are looked at before all are.
LAST = 3


def _newest(workspace: UUID, **same: str) -> QuerySet[StepRun]:
    rows = StepRun.objects.filter(workspace=workspace, is_source=True, **same)
    return rows.select_related("run__root").order_by("-run_id")


# Both are asked for once a step, so they carry no more than is looked at.
_EQUAL: Prepared[StepRun] = Prepared(
    lambda workspace, digest: _newest(workspace, fingerprint=digest).only(
        "node_id", "output_digests", "run__root__number"
    )[:1],
    UUID,
    str,
)
_NAMESAKE: Prepared[StepRun] = Prepared(
    lambda workspace, name: _newest(workspace, name=name).only(
        "node_id", "fingerprint_document", "snapshot_digest", "run__root__number"
    )[:1],
    UUID,
    str,
)


_OUTPUTS: Prepared[Output] = Prepared(lambda run: Output.objects.filter(run=run).order_by("name"))


@dataclass(frozen=True)
class Answer:
    """The run whose result is taken, or None; and the explanation that is kept with the step."""

    source: Run | None
    explanation: dict[str, Any]


def look_up(run_state: RunState, node: str, document: dict[str, Any], digest: str) -> Answer:
    """Find a source for the step: completed, not forced, equal fingerprint, outputs still what it wrote."""
    step = run_state.spec(node)
    if run_state.root.is_forced:
        return _no("forced", stored_messages.say("forced"))
    if not step.allow_reuse:
        return _no("not_allowed", stored_messages.say("not_allowed"))
    if unknown := unhashable(document):
        return _no("unhashable", stored_messages.say("unhashable", name=unknown))
    found = _equal(run_state, digest)
    if found is None:
        return _nearest(run_state, node, document)
    facts = facts_of(found)
    if found.output_digests and (lost := changed_output(run_state, outputs_of(run_state, found), number_of(found))):
        return _no(lost.code, stored_messages.say("not_reused", why=lost.why), **facts, output=lost.as_document())
    text = stored_messages.say("reused", number=number_of(found))
    return Answer(
        found.run, {"reused": True, "code": "reused", "text": text, "differences": [], "compared_with": facts}
    )


def _equal(run_state: RunState, digest: str) -> StepRun | None:
    if digest in run_state.equals:
        return run_state.equals[digest]
    return _EQUAL.first(run_state.root.workspace_id, digest)


def _namesake(run_state: RunState, name: str) -> StepRun | None:
    if name in run_state.namesakes:
        return run_state.namesakes[name]
    return _NAMESAKE.first(run_state.root.workspace_id, name)


def load_equals(run_state: RunState, digests: Collection[str]) -> None:
    """Look up the newest step of each of these fingerprints: one query."""
    rows = StepRun.objects.filter(workspace=run_state.root.workspace_id, is_source=True, fingerprint__in=digests)
    turn = Window(RowNumber(), partition_by=F("fingerprint"), order_by=F("run_id").desc())
    newest = rows.annotate(turn=turn).filter(turn=1).values("run_id")
    only = ("node_id", "fingerprint", "output_digests", "reused_from", "run__root__number")
    found = StepRun.objects.filter(pk__in=newest).select_related("run__root").only(*only)
    run_state.equals.update({**dict.fromkeys(digests), **{row.fingerprint: row for row in found}})


def load_namesakes(run_state: RunState, names: Collection[str]) -> None:
    """Look up the newest step of each of these names whose result may be taken: three queries at most. Mostly it is among the last
    few of its name, and an index alone tells which these are."""
    missing = set(names) - run_state.namesakes.keys()
    newest: dict[str, UUID] = {}
    if missing:
        last = newest_of(run_state.root.workspace_id, missing, LAST).filter(is_source=True).order_by("run_id")
        newest.update(last.values_list("name", "run_id"))
    if left := missing - newest.keys():
        turn = Window(RowNumber(), partition_by=F("name"), order_by=F("run_id").desc())
        rows = StepRun.objects.filter(workspace=run_state.root.workspace_id, is_source=True, name__in=list(left))
        newest.update(rows.annotate(turn=turn).filter(turn=1).values_list("name", "run_id"))
    only = ("name", "node_id", "fingerprint_document", "snapshot_digest", "run__root__number")
    found = StepRun.objects.filter(pk__in=newest.values()).select_related("run__root").only(*only) if newest else ()
    run_state.namesakes.update({**dict.fromkeys(missing), **{row.name: row for row in found}})


def newest_of(workspace: UUID, names: Collection[str], most: int) -> QuerySet[StepRun]:
    """So many of the newest steps of each of these names."""
    turn = Window(RowNumber(), partition_by=F("name"), order_by=F("run_id").desc())
    rows = StepRun.objects.filter(workspace=workspace, name__in=list(names)).annotate(turn=turn)
    return StepRun.objects.filter(pk__in=rows.filter(turn__lte=most).values("run_id"))


def unhashable(document: dict[str, Any]) -> str | None:
    """The first input whose content has no cheap identity."""
    return next((name for name, value in document["parts"]["inputs"].items() if value[0] is None), None)


def number_of(step: StepRun) -> int:
    """The number that people know the step's run by: that of its root."""
    return (step.run.root or step.run).number


def facts_of(step: StepRun) -> dict[str, Any]:
    """The run that an explanation compares with, as it is kept."""
    return {
        "run": str(step.run_id),
        "root": str(step.run.root_id),
        "number": number_of(step),
        "node": step.node_id,
    }


def take(run_state: RunState, node: str, answer: Answer) -> None:
    """Let the source's result stand for the step's: outputs, and the properties that programs read."""
    source = answer.source
    if source is None:
        raise ValueError("There is no result to take.")
    step = run_state.touch(node)
    step.reused_from = source
    step.output_digests = source.step.output_digests
    run = run_state.runs[node]
    properties = {
        **run.properties,
        status.IS_REUSED: "true",
        status.REUSED_RUN_ID: str(source.pk),
        status.REUSED_NODE_ID: source.step.node_id,
        status.REUSED_PIPELINE_RUN_ID: str(source.root_id),
    }
    if answer.explanation["code"] == "adopted":
        properties[status.IS_ADOPTED] = "true"
    if any(output.register for output in run_state.spec(node).outputs):
        _register(run_state, node, source)
    warned = {"warnings": run.warnings} if run.warnings else {}
    run_state.set(node, Run.Status.COMPLETED, properties=properties, **warned)


def _register(run_state: RunState, node: str, source: Run) -> None:
    step = run_state.runs[node].step
    try:
        outputs.register_again(run_state.runs[node], run_state.spec(node), _OUTPUTS.all(source.pk))
    except StudioError as error:
        text = _("Its dataset could not be registered again: %(why)s") % {"why": error.message}
        step.reuse_explanation = {
            **(step.reuse_explanation or {}),
            "text": f"{(step.reuse_explanation or {}).get('text', '')} {text}".strip(),
        }


def _no(code: str, text: str, **compared: Any) -> Answer:
    return Answer(
        None, {"reused": False, "code": code, "text": text, "differences": [], "compared_with": compared or None}
    )


@dataclass(frozen=True)
class Lost:
    """An output that is no longer what its step wrote, and why in words."""

    name: str
    change: Change
    why: str

    @property
    def code(self) -> str:
        return "output_gone" if self.change.kind == "gone" else "output_changed"

    def as_document(self) -> dict[str, str]:
        return self.change.as_document(self.name)


def outputs_of(run_state: RunState, found: StepRun) -> list[Output]:
    """What a step that ran itself wrote, with its manifests; what it named without a row is gone."""
    known = run_state.written.get(found.run_id)
    rows = {row.name: row for row in (_OUTPUTS.all(found.run_id) if known is None else known)}
    return [rows.get(name) or deleted_output(name) for name in found.output_digests]


def deleted_output(name: str) -> Output:
    """Stands for an output of which there is nothing left."""
    return Output(name=name, removed_at=now())


def changed_output(run_state: RunState, outputs: Iterable[Output], number: int) -> Lost | None:
    """The first of these outputs that is no longer what run `number` wrote."""
    for output in outputs:
        root = None if output.removed_at else _root(run_state, output.datastore)
        change = run_state.output_check.change_of(output, root)
        if change is not None:
            return Lost(output.name, change, change.say(output.name, number))
    return None


def _root(run_state: RunState, store: str) -> Root | None:
    """The datastore's root, looked up once; nothing when the datastore is gone, and what it held with it."""
    if store not in run_state.roots:
        try:
            run_state.roots[store] = references.root_by_name(run_state.root.workspace, store)
        except NotFound:
            run_state.roots[store] = None
    return run_state.roots[store]


def _nearest(run_state: RunState, node: str, document: dict[str, Any]) -> Answer:
    """Say what differs from the last completed run of the step of this name."""
    last = _namesake(run_state, run_state.spec(node).name)
    if last is None or last.fingerprint_document is None:
        return _no("first", stored_messages.say("first"))
    differences = fingerprint.compare(last.fingerprint_document, document, *files_of_both(run_state, last, node))
    facts = facts_of(last)
    text = fingerprint.explain(differences)
    documents = [each.to_document() for each in differences]
    return Answer(
        None,
        {
            "reused": False,
            "code": "different",
            "text": text[:1].upper() + text[1:],
            "differences": documents,
            "compared_with": facts,
        },
    )


def files_of_both(
    run_state: RunState, last: StepRun, node: str
) -> tuple[Mapping[str, str] | None, Mapping[str, str] | None]:
    """Both snapshots file by file, when they differ: it turns "the files changed" into which."""
    new = run_state.spec(node).snapshot
    if last.snapshot_digest == new:
        return None, None
    run_state.load_manifests([last.snapshot_digest, new or ""])
    return run_state.manifests.get(last.snapshot_digest), run_state.manifests.get(new or "")
