"""The driver of a step of automated machine learning: it searches, runs each trial as a child run, and leaves the best model."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from duto.automl.inside import files
from duto.automl.inside.pool import Pool
from duto.automl.inside.search import Proposal, Search
from duto.automl.inside.trials import Job, Outcome
from duto.exceptions import AzureMLException
from duto.spec.automl import METRICS, STACK, VOTING, Made, Settings, is_greater_better
from duto.spec.status import BEST_CHILD, COMPLETED, TERMINAL

# Of the best of so many learners an ensemble is made.
MEMBERS = 5


@dataclass
class Trial:
    """A trial, and its run."""

    job: Job
    run: Any
    proposal: Optional[Proposal]
    metrics: Mapping[str, float]
    error: str = ""
    why: str = ""


class Driver:
    """Runs the trials. `run` is the run of the step; `folder` takes their models."""

    def __init__(
        self, settings: Settings, run: Any, search: Search, pool: Pool, folder: Path, columns: List[str]
    ) -> None:
        self.settings, self.run, self.search, self.pool = settings, run, search, pool
        self.folder, self.columns = folder, columns
        self.trials: Dict[int, Trial] = {}
        self.best: Optional[Trial] = None
        self.next = 0
        minutes = settings.experiment_timeout_minutes
        self.deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes

    def go(self, outputs: Mapping[str, Path]) -> int:
        """Search until it is enough, then leave the best; the exit code. `outputs` are the places of the step's outputs."""
        ensembles = [
            name
            for name, wanted in (
                (VOTING, self.settings.enable_voting_ensemble),
                (STACK, self.settings.enable_stack_ensemble),
            )
            if wanted
        ]
        self._go_on()
        singles = max(1, self.settings.iterations - len(ensembles))
        why = self._search(singles)
        if why:
            print(why, flush=True)
        for name in ensembles[: max(0, self.settings.iterations - len(self.trials))]:
            self._ensemble(name)
        self._end(self.pool.stop("the experiment was over."))
        if self.best is None:
            whys = [trial.why for trial in self.trials.values() if trial.why]
            why = f"No trial has come to an end. The first failed: {whys[0]}" if whys else "No trial was started."
            print(f"This step has failed: {why}", file=sys.stderr, flush=True)
            return 1
        self._leave(self.best, outputs)
        return 0

    def _go_on(self) -> None:
        """The trials of an earlier attempt, which was lost with its host, count: those that ended, by what they logged. The
        others have ended with it."""
        for child in reversed(list(self.run.get_children())):
            properties = child.get_properties()
            if "iteration" not in properties:
                continue
            number, ends = int(properties["iteration"]), child.get_status()
            self.next = max(self.next, number + 1)
            if ends not in TERMINAL:
                child.fail("The attempt that ran it was lost.")
            elif ends == COMPLETED and properties["run_algorithm"] not in (VOTING, STACK):
                config = json.loads(properties["hyperparameters"])
                job = Job(number, properties["run_algorithm"], properties["learner"], config, self.folder / str(number))
                trial = Trial(job, child, None, child.get_metrics())
                self.trials[number] = trial
                if self.best is None or self._loss(trial.metrics) < self._loss(self.best.metrics):
                    self.best = trial
        if self.trials:
            print(
                f"An earlier attempt has left {len(self.trials)} trials, which count. The search goes on.", flush=True
            )

    def _search(self, most: int) -> str:
        """Trials until it is enough; why it was."""
        while True:
            while len(self.trials) < most and self.pool.is_free and self._left > 0 and not self._has_converged:
                proposal = self.search.propose()
                if proposal is None:
                    break
                model = self.settings.learners[proposal.learner]
                self._start(model, proposal.learner, proposal.config, proposal)
            if not self.pool.running:
                if self._left <= 0:
                    return "experiment_timeout is over."
                if self._has_converged:
                    return "The search has converged: it is stopped early."
                return "" if len(self.trials) >= most else "Every learner was searched to its end."
            self._end(self.pool.wait(min(self._left, 60)))
            if self._left <= 0:
                self._end(self.pool.stop("experiment_timeout is over."))
                return "experiment_timeout is over."
            if self._is_enough:
                self._end(self.pool.stop("experiment_exit_score was reached."))
                return "experiment_exit_score was reached."

    @property
    def _left(self) -> float:
        return self.deadline - time.monotonic()

    @property
    def _has_converged(self) -> bool:
        return self.settings.enable_early_stopping and self.search.has_converged

    @property
    def _is_enough(self) -> bool:
        wanted = self.settings.experiment_exit_score
        if wanted is None or self.best is None:
            return False
        return self._loss(self.best.metrics) <= (-wanted if self.settings.is_greater_better else wanted)

    def _loss(self, metrics: Mapping[str, float]) -> float:
        value = metrics[self.settings.primary_metric]
        return -value if self.settings.is_greater_better else value

    def _start(
        self,
        model: str,
        learner: str,
        config: Mapping[str, Any],
        proposal: Optional[Proposal] = None,
        members: Tuple[Tuple[str, str, Mapping[str, Any]], ...] = (),
    ) -> Trial:
        number, self.next = self.next, self.next + 1
        given = dict(config) if not members else {name: dict(each) for name, _, each in members}
        metric = self.settings.primary_metric
        child = self.run._child_run(
            model,
            {
                "iteration": str(number),
                "run_algorithm": model,
                "run_preprocessor": "",
                "learner": learner,
                "primary_metric": metric,
                "goal": f"{metric}_{'max' if self.settings.is_greater_better else 'min'}",
                "model_name": f"AutoML{self.run.id.replace('-', '')[:12]}{number}",
                "hyperparameters": json.dumps(given, default=float),
            },
        )
        job = Job(number, model, learner, config, self.folder / str(number), members)
        trial = Trial(job, child, proposal, {})
        self.trials[number] = trial
        self.pool.start(job)
        return trial

    def _end(self, outcomes: List[Outcome]) -> None:
        for outcome in outcomes:
            trial = self.trials[outcome.number]
            trial.metrics, trial.error, trial.why = outcome.metrics, outcome.error, outcome.why
            loss = None if outcome.error else self._loss(outcome.metrics)
            if trial.proposal is not None:
                self.search.learn(trial.proposal, loss, outcome.seconds)
            if outcome.error:
                trial.run.fail(outcome.why)
                print(f"{trial.job.number:4d}  {trial.job.model:<22} failed: {outcome.error.strip()}", flush=True)
                continue
            self._keep(trial, outcome)
            if self.best is None or self._loss(trial.metrics) < self._loss(self.best.metrics):
                self.best = trial
            best = self.best.metrics[self.settings.primary_metric]
            score = trial.metrics[self.settings.primary_metric]
            print(
                f"{trial.job.number:4d}  {trial.job.model:<22} {outcome.seconds:8.2f} s  {score:<12.6g} best {best:.6g}",
                flush=True,
            )

    def _keep(self, trial: Trial, outcome: Outcome) -> None:
        """The metrics and the files of a trial go to its run, which ends."""
        for name, value in trial.metrics.items():
            trial.run.log(name, value)
        score = trial.metrics[self.settings.primary_metric]
        trial.run.add_properties({"score": score, "fit_time": round(outcome.seconds, 3)})
        for artifact in files.write(trial.job.target, self.columns):
            trial.run.upload_file(artifact, str(trial.job.target / Path(artifact).name))
        trial.run.complete()

    def _ensemble(self, name: str) -> None:
        """One more trial, of the best of each learner."""
        ended = [each for each in self.trials.values() if each.metrics and not each.job.members]
        best: Dict[str, Trial] = {}
        for trial in sorted(ended, key=lambda each: self._loss(each.metrics)):
            best.setdefault(trial.job.learner, trial)
        members = tuple(
            (f"{each.job.model}_{each.job.number}", each.job.learner, each.job.config)
            for each in list(best.values())[:MEMBERS]
        )
        if len(members) < 2 or self._left <= 0:
            print(
                f"{name} is left out: it is made of the best of several learners, within experiment_timeout.",
                flush=True,
            )
            return
        self._start(name, "", {}, None, members)
        while self.pool.running:
            self._end(self.pool.wait(min(self._left, 60)))
            if self._left <= 0:
                self._end(self.pool.stop("experiment_timeout is over."))

    def _leave(self, best: Trial, outputs: Mapping[str, Path]) -> None:
        """What the step leaves: the best model with its metrics among the step's own, and its outputs."""
        for name, value in best.metrics.items():
            self.run.log(name, value)
        self.run.tag(BEST_CHILD, best.run.id)
        for artifact in files.write(self._folder(best), self.columns):
            self.run.upload_file(artifact, str(self._folder(best) / Path(artifact).name))
        for name, made in self.settings.outputs.items():
            place = outputs[name]
            place.parent.mkdir(parents=True, exist_ok=True)
            if made.kind == METRICS:
                found = {each.run.id: {k: [v] for k, v in each.metrics.items()} for each in self.trials.values()}
                place.write_text(
                    json.dumps({run: metrics for run, metrics in found.items() if metrics}), encoding="utf-8"
                )
            else:
                shutil.copyfile(self._folder(self._of(made, best)) / "model.pkl", place)

    @staticmethod
    def _folder(trial: Trial) -> Path:
        """The folder with the model of a trial; that of an earlier attempt is fetched from its run."""
        model = trial.job.target / "model.pkl"
        if not model.exists():
            trial.job.target.mkdir(parents=True, exist_ok=True)
            trial.run.download_file(files.MODEL, str(model))
        return trial.job.target

    def _of(self, made: Made, best: Trial) -> Trial:
        """The trial of which an output holds the model. Raises `AzureMLException` where there is none."""
        if made.iteration is not None:
            wanted = self.trials.get(made.iteration)
            if wanted is None or not wanted.metrics:
                raise AzureMLException(f"There is no model of iteration {made.iteration}, which an output is to hold.")
            return wanted
        if made.metric is None:
            return best
        metric = made.metric
        there = [each for each in self.trials.values() if metric in each.metrics]
        if not there:
            raise AzureMLException(f"No trial has the metric {metric!r}, by which an output is to hold the best model.")
        sign = -1 if is_greater_better(metric) else 1
        return min(there, key=lambda each: sign * each.metrics[metric])
