"""Runs whose steps have pages of their own: processes side by side, mini-batches, stages, trials."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from core.clock import now
from duto.parallel.ledger import line
from runs import stored_messages
from runs.models import MetricPoint, RankLog, Run, StepRun, Sweep, Trial
from runs.services.results import ledgers
from tests.runs.conftest import RunScenario

WIDTHS = {"name": "width", "expression": "choice", "values": [8, 16, 32, 64]}
RATES = {"name": "rate", "expression": "loguniform", "values": [-6.0, -1.0]}
STAGE: dict[str, Any] = {"app": "local-1", "t": 0, "in": 2048, "out": 0, "sr": 0, "sw": 0, "b": 1_800_000_000.0}
SWEEP = {
    "sampling": "random", "space": [WIDTHS, RATES], "metric": "loss", "goal": "minimize",
    "max_total": 8, "max_concurrent": 2, "max_minutes": 60, "policy": {"kind": "bandit", "slack_factor": 0.2},
}  # fmt: skip
AUTOML = {
    "task": "classification", "primary_metric": "AUC_weighted", "label_column_name": "species", "iterations": 9,
    "training_data": "penguins", "models": ["LightGBM", "LogisticRegression", "KNN"],
}  # fmt: skip


class StepKinds(RunScenario):
    """Each as it looks amid its work."""

    def ranked(self) -> Run:
        """A step of three processes, the second of which failed."""
        run = self.pipeline(graph=self.graph("train", distribution={"type": "pytorch", "processes": 3}))
        attempt = self.attempt(self.step(run, "train"), started_at=now(), rank_count=3)
        for rank, ended in enumerate(({}, {"exit_code": 3}, {"was_ended": True, "signal": 15})):
            if ended:
                RankLog.objects.create(attempt=attempt, rank=rank, **ended)
        return run

    def parallel(self) -> Run:
        """A step of forty mini-batches at two processes: some are done, one is tried again, one was given up."""
        data = {"name": "images", "mode": "mount", "from": {"dataset": "penguins", "version": 1}}
        settings = {"inputs": ["images"], "mini_batch_size": 5, "output_action": "summary_only"}
        run = self.pipeline(graph=self.graph("score", kind="parallel_run", settings=settings, inputs=[data]))
        attempt = self.attempt(self.step(run, "score"), started_at=now(), leased_at=now())
        began = now().timestamp() - 60
        lines = [line("plan", at=began, count=40, items=200, processes=2, action="summary_only")]
        lines += [line("worker", w=slot, name=f"0-{slot}", pid=100 + slot, state="ready") for slot in (0, 1)]
        lines += [line("done", at=began + 3 * n, n=n, k=str(n), w=n % 2, t=1, i=5, o=5, s=0.2) for n in range(17)]
        failure = {
            "i": 5,
            "w": 1,
            "why": "exception",
            "x": "ValueError: no penguin on this picture",
            "log": "logs/user/0-1.log",
        }
        lines += [line("fail", n=17, t=1, final=False, **failure), line("fail", n=18, t=3, final=True, **failure)]
        lines += [line("begin", n=19, w=0)]
        ledgers.append(attempt, 0, b"".join(lines))
        return run

    def spark(self) -> Run:
        """A step on Spark with four stages: one is done, one at work, one failed and one was skipped."""
        graph = self.graph("prepare -> count")
        graph["steps"][1]["kind"] = "spark"
        root = self.pipeline(graph=graph)
        attempt = self.attempt(self.step(root, "count"), started_at=now(), leased_at=now())
        lines = [
            line("app", id="local-1", name="birds", version="3.5.7", master="local[2]"),
            line("stage", id=0, name="csv at X", s="COMPLETE", n=4, d=4, a=0, f=1, z=1_800_000_002.5, why="", **STAGE),
            line("stage", id=1, name="sum at X", s="ACTIVE", n=6, d=1, a=2, f=0, z=None, why="", **STAGE),
            line("stage", id=2, name="last at X", s="FAILED", n=1, d=0, a=0, f=4, z=None, why="Lost task <b>", **STAGE),
            line("stage", id=3, name="join at X", s="SKIPPED", n=90, d=0, a=0, f=0, z=None, why="", **STAGE),
            line("executor", app="local-1", id="driver", host="h:1", alive=True, cores=2, a=2, d=5, f=5, mem=1 << 30),
        ]
        ledgers.append(attempt, 0, b"".join(lines))
        return root

    def sweep(self) -> tuple[Run, Run]:
        """A sweep of four trials, of which one failed, one was stopped and one is at work; and its first trial."""
        root = self.pipeline(
            graph=self.graph("tune", kind="sweep", settings=SWEEP), started_at=now() - timedelta(minutes=9)
        )
        step = self.step(root, "tune")
        Run.objects.filter(pk=step.pk).update(started_at=root.started_at)
        sweep = Sweep.objects.create(run=step, seed=7, deadline=now() + timedelta(hours=1))
        ends = ("Completed", "Failed", "Canceled", "Running")
        trials = [self._trial(sweep, number, status) for number, status in enumerate(ends, 1)]
        return root, trials[0]

    def searched(self) -> Run:
        """A step of automated machine learning with five trials: of three models and an ensemble, of which one failed and one
        is at work."""
        data = {"name": "penguins", "mode": "direct", "from": {"dataset": "penguins", "version": 1}}
        graph = self.graph("search", kind="automl", script="", settings=AUTOML, inputs=[data])
        root = self.pipeline(graph=graph, started_at=now() - timedelta(minutes=9))
        step = self.step(root, "search")
        Run.objects.filter(pk=step.pk).update(started_at=root.started_at)
        leaves = json.dumps({"n_estimators": 4, "num_leaves": 31, "learning_rate": 0.0999999, "reg_alpha": 0.001})
        of = [("LightGBM", "lgbm", leaves, 0.91), ("LogisticRegression", "lrl2", '{"C": 1.0}', 0.97)]
        of += [("KNN", "kneighbor", '{"n_neighbors": 5}', None), ("VotingEnsemble", "", '{"LightGBM_0": {}}', 0.95)]
        of += [("LightGBM", "lgbm", leaves, None)]
        for number, (name, learner, values, score) in enumerate(of):
            status = "Completed" if score else ("Failed", "Running")[number == 4]
            run = Run.objects.create(
                workspace=self.workspace, experiment=self.experiment, kind="child", parent=step, root=root, status=status,
                display_name=name, submitted_by=self.owner, started_at=now() - timedelta(minutes=8 - number),
                finished_at=None if status == "Running" else now() - timedelta(minutes=7 - number),
                properties={"iteration": str(number), "run_algorithm": name, "learner": learner, "hyperparameters": values},
                error={"message": "ValueError: n_neighbors <= n_samples", "cause": "user_error"} if status == "Failed" else None,
            )  # fmt: skip
            if score:
                MetricPoint.objects.create(run=run, name="AUC_weighted", kind="scalar", index=0, value=score, at=now())
        return root

    def _trial(self, sweep: Sweep, number: int, status: str) -> Run:
        step = sweep.run
        values: list[Any] = [4 * 2**number, 0.1 / number]
        spec = {**step.root.graph["steps"][0], "kind": "python_script", "settings": {}}
        run = Run(
            workspace=self.workspace, experiment=self.experiment, kind="trial", parent=step, root=step.root, status=status,
            display_name=f"tune #{number}", parameters=dict(zip(("width", "rate"), values, strict=True)),
            submitted_by=self.owner, started_at=now() - timedelta(minutes=8), finished_at=None if status == "Running" else now(),
        )  # fmt: skip
        run.graph = {"schema": 1, "parameters": [], "steps": [{**spec, "id": str(run.pk), "name": run.display_name}]}
        run.save(force_insert=True)
        StepRun.objects.create(
            run=run, workspace=self.workspace, node_id=str(run.pk), name=run.display_name, allow_reuse=False,
            compute_target_id=self.cluster.pk, snapshot_digest=spec["snapshot"],
        )  # fmt: skip
        facts = {"interval": 2, "metric": "loss", "value": 0.3, "trials": 3, "best": 0.1, "limit": 0.12}
        stopped = stored_messages.keep("stopped_bandit", **facts) if status == "Canceled" else None
        Trial.objects.create(run=run, sweep=sweep, number=number, values=values, stopped=stopped)
        for place in range(3):
            MetricPoint.objects.create(
                run=run, name="loss", kind="scalar", index=place, value=number / (1 + place), at=now()
            )
        return run
