"""A run in memory that is not submitted: earlier results that its steps may reuse are looked up for all of them at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from core.errors import StudioError
from duto.spec import fingerprint
from duto.spec.graph import Step
from environments.models import EnvironmentBuild, EnvironmentVersion
from runs import stored_messages
from runs.models import Run, StepRun
from runs.queries.graphs import ParsedGraph
from runs.services.orchestration import adoption, fingerprints, reuse
from runs.services.orchestration.run_state import RunState
from runs.services.planning.history import last_written
from runs.services.submission.checks import Checked

REUSED, RUNS, UNKNOWN, FAILS, SKIPPED = "reused", "runs", "unknown", "fails", "skipped"
# In one round the outputs of so many earlier runs are tried as inputs of the steps.
ROUND_OF_RUNS = 8
Verdict = dict[str, Any]


class DryRun(RunState):
    """Decides on reuse as `advance()` does for a run, by a number of queries that does not grow with its steps."""

    def __init__(self, root: Run, checked: Checked, environments: Mapping[str, EnvironmentVersion | None]) -> None:
        self.root = root
        self.parsed = ParsedGraph(checked.graph)
        self.runs = {}
        self.reset_lookups()
        self.manifests.update(checked.manifests)
        self.environments, self.targets = environments, checked.targets
        # By step: the digests of what it is given, and the document and the fingerprint that follow from them.
        self._documents: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {}
        self._siblings: dict[tuple[UUID, str], StepRun] = {}
        self._tried: set[UUID] = set()
        self._last: dict[str, StepRun] = {}
        # Data that cannot be read, and the steps that fail or are skipped for it.
        self.failures: dict[fingerprints.Key, StudioError] = {}
        self.unreachable: set[str] = set()

    # --- what is known ---

    def load(self) -> None:
        """Look up the earlier steps that any step may reuse. Each round decides on steps that read what the round before found;
        earlier runs of the same graph are tried first, so that there is mostly one round."""
        adoption.load(self, self.parsed.order)
        has_edges = any(each.step for step in self.parsed.graph.steps for each in step.inputs)
        if has_edges:
            self._last = last_written(self.root.workspace, {step.name for step in self.parsed.graph.steps})
        while asked := self._unknown_fingerprints():
            reuse.load_equals(self, asked)
            if not has_edges:
                break
            self._load_siblings()
        self.runs = {}
        found = [row for row in self.equals.values() if row is not None and row.output_digests]
        if found:
            for row in found:
                self.written.setdefault(row.run_id, [])
            adoption.load_written(self, found)
        reuse.load_namesakes(self, {self.spec(node).name for node in self._without_equal()})
        last = [row.snapshot_digest for row in self.namesakes.values() if row is not None]
        self.load_manifests([each for each in last if each])

    def _unknown_fingerprints(self) -> set[str]:
        """The fingerprints that a walk through the graph comes across, and that were not looked up yet."""
        self.runs, asked = {}, set[str]()
        for node in self.parsed.order:
            found = self._fingerprint(node)
            if found is None or not self._may_reuse(node):
                continue
            digest = found[1]
            source = self.sources.get(node)
            if source is not None and source.fingerprint == digest and source.run.status == Run.Status.COMPLETED:
                self.runs[node] = source.run
                continue
            if digest not in self.equals:
                asked.add(digest)
                stand_in = self._guess(node)
            else:
                stand_in = self.equals[digest]
            if stand_in is not None:
                self.runs[node] = stand_in.run
        return asked

    def _without_equal(self) -> Iterator[str]:
        for node in self.parsed.order:
            found = self._documents.get(node)
            if self._may_reuse(node) and (found is None or self.equals.get(found[2]) is None):
                yield node

    def _guess(self, node: str) -> StepRun | None:
        """What the step wrote in the run in which the steps before it were found, else what it wrote last."""
        roots = (self.runs[each.step].root_id for each in self.spec(node).inputs if each.step in self.runs)
        for root in roots:
            if root is not None and (found := self._siblings.get((root, node))) is not None:
                return found
        return self._last.get(self.spec(node).name)

    def _load_siblings(self) -> None:
        roots = Counter(row.run.root_id for row in self.equals.values() if row is not None and row.output_digests)
        new = [root for root, _ in roots.most_common() if root is not None and root not in self._tried][:ROUND_OF_RUNS]
        if not new:
            return
        self._tried.update(new)
        rows = StepRun.objects.filter(run__root__in=new).exclude(run__kind=Run.Kind.TRIAL)
        for row in rows.select_related("run").only("node_id", "output_digests", "run__root"):
            if row.run.root_id is not None:
                self._siblings[row.run.root_id, row.node_id] = row

    # --- what would become of a step ---

    def verdict(self, node: str) -> tuple[str, Verdict]:
        """The outcome of a step, knowing that of those before it, with the explanation that its run would keep."""
        outcome, explanation = self._verdict(node)
        if outcome in (FAILS, SKIPPED):
            self.unreachable.add(node)
        return outcome, explanation

    def _verdict(self, node: str) -> tuple[str, Verdict]:
        step = self.spec(node)
        if (error := self._unreadable(step)) is not None:
            return FAILS, _explained(error.code, error.message)
        if unreachable := sorted(self.parsed.needs[node] & self.unreachable):
            facts = {"names": ", ".join(unreachable)}
            return SKIPPED, {**_explained("skipped", stored_messages.say("skipped", **facts)), "facts": facts}
        if not self._may_reuse(node):
            source = self.sources.get(node)
            if source is not None and (answer := adoption.unfinished(self, source, node, None)) is not None:
                return RUNS, answer.explanation
            code = "forced" if self.root.is_forced else "not_allowed"
            return RUNS, _explained(code, stored_messages.say(code))
        found = self._fingerprint(node)
        if found is None:
            return UNKNOWN, self._unknown(step)
        answer = adoption.look_up(self, node, *found)
        if answer.source is None:
            return RUNS, answer.explanation
        self.runs[node] = answer.source
        return REUSED, answer.explanation

    def _may_reuse(self, node: str) -> bool:
        """Whether an earlier result may stand for the step: what a resumed run finished may in any case."""
        source = self.sources.get(node)
        has_finished = source is not None and source.run.status == Run.Status.COMPLETED
        return has_finished or (self.spec(node).allow_reuse and not self.root.is_forced)

    def _fingerprint(self, node: str) -> tuple[dict[str, Any], str] | None:
        """None while something is not known that it depends on, or is not there."""
        step = self.spec(node)
        environment = self.environments[node]
        if self._unwritten(step) is not None or self._unreadable(step) is not None or not is_built(environment):
            return None
        given = tuple(fingerprints.identity_of(self, each) for each in step.inputs if each.step is not None)
        kept = self._documents.get(node)
        if kept is not None and kept[0] == given:
            return kept[1], kept[2]
        compute = self.targets[(step.compute or "").lower()]
        document = fingerprints.document_of(self, node, environment=environment, compute=compute)
        self._documents[node] = (given, document, fingerprint.digest(document))
        return self._documents[node][1:]

    def _unreadable(self, step: Step) -> StudioError | None:
        keys = (fingerprints.key_of(each) for each in step.inputs if each.step is None)
        return next((self.failures[key] for key in keys if key in self.failures), None)

    def _unwritten(self, step: Step) -> str | None:
        """The first of the steps it reads from whose result is not there yet."""
        return next((each.step for each in step.inputs if each.step is not None and each.step not in self.runs), None)

    def _unknown(self, step: Step) -> Verdict:
        before = self._unwritten(step)
        if before is None:
            return _explained("to_build", stored_messages.say("to_build"))
        code = "reads_again" if self.namesakes.get(step.name) else "reads_first"
        facts = {"name": self.spec(before).name}
        return {**_explained(code, stored_messages.say(code, **facts)), "facts": facts}


def is_built(version: EnvironmentVersion | None) -> bool:
    """Whether the packages are known: by a build that is ready, or because users manage them."""
    if version is None:
        return True
    if version.build is not None:
        return version.build.status == EnvironmentBuild.Status.READY
    return bool(version.definition["python"]["user_managed"])


def _explained(code: str, text: str) -> Verdict:
    return {"reused": False, "code": code, "text": text, "differences": [], "compared_with": None}
