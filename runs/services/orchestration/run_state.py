"""A run's tree in memory: the states of its steps, the rows that matter now, and what changes, written at the end in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from core.clock import now
from core.lifecycle import write_all
from core.prepared import Prepared
from core.storage import Root
from duto.spec.graph import Step
from environments.models import EnvironmentBuild, EnvironmentVersion
from runs.models import Output, Run, Snapshot, StepRun
from runs.queries.graphs import parsed
from runs.services.results.output_check import OutputCheck

B = EnvironmentBuild.Status
NOTHING = "[]"


def _steps_of(root: UUID) -> QuerySet[Run]:
    return Run.objects.filter(root=root).select_related("step").defer("graph")


_STEP: Prepared[Run] = Prepared(lambda root, node: _steps_of(root).filter(step__node_id=node), UUID, str)
_STATES: Prepared[tuple[Any, ...]] = Prepared(
    lambda root: (
        Run.objects.filter(root=root, step__isnull=False)
        .exclude(kind=Run.Kind.TRIAL)
        .order_by("id")
        # As it is spelt: of a long run most of the time went into reading that nothing is waited for.
        .values_list("step__node_id", "status", Cast("step__waiting", TextField()))
    )
)


class RunState:
    """Loaded under the root's lock; nobody else moves these rows meanwhile.

    States are loaded for all steps, rows only for those asked for with need(): a run of a thousand steps of which
    one ends costs two small queries.
    """

    def __init__(self, root: Run) -> None:
        self.root = root
        self.parsed = parsed(root.pk)
        self.states: dict[str, str] = {}
        self.runs: dict[str, Run] = {}
        self.reset_lookups()
        self.moment = now()
        # By status and by what else changes: rows that get equal values are written by one statement.
        self._moves: dict[tuple[str, tuple[str, ...]], list[Run]] = {}
        self._steps: dict[str, StepRun] = {}
        for node, status, waiting in _STATES.all(root.pk):
            # A step that only waits for its environment is still to be started.
            self.states[node] = (
                Run.Status.NOT_STARTED if status == Run.Status.PREPARING and waiting != NOTHING else status
            )

    def reset_lookups(self) -> None:
        """Begin with nothing known of earlier runs and of data: learned when asked for, and then kept."""
        # The steps of the run that this one resumes, and what they wrote (runs.services.orchestration.adoption).
        self.sources: dict[str, StepRun] = {}
        self.written: dict[UUID, list[Output]] = {}
        # Earlier steps by fingerprint and by name, where they were looked up for many at once; None: there is none.
        self.equals: dict[str, StepRun | None] = {}
        self.namesakes: dict[str, StepRun | None] = {}
        # The files of snapshots: digests by path.
        self.manifests: dict[str, Mapping[str, str]] = {}
        # What data outside the run are, and where datastores are.
        self.identities: dict[tuple[str | None, ...], Any] = {}
        self.roots: dict[str, Root | None] = {}
        self.output_check = OutputCheck()

    def need(self, nodes: Iterable[str]) -> None:
        """Load the rows of these steps, in one query."""
        missing = [node for node in dict.fromkeys(nodes) if node not in self.runs]
        if not missing:
            return
        root = self.root.pk
        one = len(missing) == 1
        for run in _STEP.all(root, missing[0]) if one else _steps_of(root).filter(step__node_id__in=missing):
            if run.pk == self.root.pk:  # a script run is its own single step: one object, so that one status
                self.root.step = run.step
                run = self.root
            run.root = self.root
            run.workspace = self.root.workspace
            self.runs[run.step.node_id] = run

    def load_manifests(self, digests: Iterable[str]) -> None:
        """Load what these snapshots hold, in one query; one that is gone is not known afterwards, either."""
        if missing := set(digests) - self.manifests.keys():
            rows = Snapshot.objects.filter(workspace=self.root.workspace_id, digest__in=missing)
            self.manifests.update({row.digest: {each["path"]: each["digest"] for each in row.files} for row in rows})

    def still_waiting(self) -> set[str]:
        """The steps whose environment is being built."""
        busy = EnvironmentBuild.objects.exclude(status__in=[B.READY, B.FAILED])
        versions = EnvironmentVersion.objects.filter(build__in=busy).values("id")
        rows = StepRun.objects.filter(
            run__root=self.root, run__status=Run.Status.PREPARING, environment_version_id__in=versions
        )
        return set(rows.values_list("node_id", flat=True))

    def spec(self, node: str) -> Step:
        return self.parsed.steps[node]

    @property
    def go_on(self) -> bool:
        return self.root.continue_on_step_failure

    def set(self, node: str, status: str, **facts: Any) -> None:
        """Decide a step's next status; rows are written by save()."""
        run = self.runs[node]
        for name in _STAMPS.get(status, ()):
            if getattr(run, name) is None:
                facts.setdefault(name, self.moment)
        for name, value in facts.items():
            setattr(run, name, value)
        self.states[node] = status
        if run.status != status:
            self._moves.setdefault((status, tuple(sorted(facts))), []).append(run)

    def touch(self, node: str) -> StepRun:
        """The step's detail row, to be written by save()."""
        step = self.runs[node].step
        self._steps[node] = step
        return step

    def save(self) -> None:
        """Write what was decided: a handful of statements, however many steps."""
        if self._steps:
            write_all(list(self._steps.values()), STEP_FIELDS)
        for (status, names), runs in self._moves.items():
            shared = {name: getattr(runs[0], name) for name in names}
            same = all(getattr(run, name) == value for run in runs for name, value in shared.items())
            Run.move_all(runs, status, fields=() if same else names, **(shared if same else {}))
        self._moves, self._steps = {}, {}
        self.output_check.remember()


_STAMPS: dict[str, tuple[str, ...]] = {
    Run.Status.QUEUED: ("queued_at",),
    Run.Status.PREPARING: ("preparing_at",),
    Run.Status.RUNNING: ("started_at",),
    Run.Status.FINALIZING: ("finalizing_at",),
    **dict.fromkeys(Run.ENDS, ("finished_at",)),
}
STEP_FIELDS = (
    "fingerprint",
    "fingerprint_document",
    "reuse_explanation",
    "reused_from",
    "output_digests",
    "waiting",
    "is_source",
)
