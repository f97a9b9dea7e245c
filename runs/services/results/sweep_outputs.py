"""What a sweep leaves when it is over: the metrics of all trials, a file of the best one, and what that wrote as outputs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO
from uuid import UUID

from core.errors import StudioError
from core.sentences import Kept
from core.storage import artifact_store
from datasets import stores
from datasets.models import Datastore
from datasets.services import datastores
from duto.spec.graph import Step
from duto.spec.sweeps import Made, Sweep
from runs import stored_messages
from runs.models import Artifact, MetricPoint, Output, Run, Trial
from runs.services.results import outputs

Problem = dict[str, Any]
# Names of metrics in a warning.
NAMED = 10


def nothing_logged(settings: Sweep, trials: Iterable[Trial]) -> Kept:
    """The warning of a sweep none of whose trials has logged the primary metric, with the names of what they logged."""
    points = MetricPoint.objects.filter(run__in=[row.run_id for row in trials]).order_by("name")
    if points.filter(name=settings.metric).exists():
        return stored_messages.keep("no_primary_number", metric=settings.metric)
    names = ", ".join(points.values_list("name", flat=True).distinct()[:NAMED])
    return stored_messages.keep("no_primary_metric", metric=settings.metric, names=names or "–")


def write(run: Run, step: Step, settings: Sweep, trials: Mapping[int, Trial], best: int | None) -> Problem | None:
    """Write the outputs of a sweep that ended well; the error (docs/wire.md) that makes it a failure, if there is one.

    `best` is the best trial that completed. Files first, then rows: what a commit that failed has left is written again.
    """
    documents = {each["name"]: each for each in outputs.step_of(run)["outputs"]}
    digests: dict[str, Any] = {}
    for output in step.outputs:
        document, made = documents[output.name], settings.made.get(output.name)
        try:
            if made is not None and made.kind == "metrics":
                row = _metrics(run, document, trials)
            elif best is None:
                return _problem("no_best_trial", metric=settings.metric, output=output.name)
            elif made is not None:
                row = _model(run, document, made, trials[best])
            else:
                row = _of_best(run, document, trials[best])
        except _Missing as missing:
            return missing.problem
        except StudioError as error:
            return {**_error(error.message), "said": stored_messages.kept_of(error)}
        digests[row.name] = row.place
    run.step.output_digests = digests
    return None


class _Missing(Exception):
    """The best trial has not what an output of the sweep is made of."""

    def __init__(self, name: str, **facts: Any) -> None:
        super().__init__(name)
        self.problem = _problem(name, **facts)


def _problem(name: str, **facts: Any) -> Problem:
    kept = stored_messages.keep(name, **facts)
    return {**_error(kept["text"]), "said": {"code": name, "facts": facts}}


def _error(message: str) -> Problem:
    return {"cause": "user_error", "message": message, "exit_code": None, "signal": None, "traceback": None}


def _metrics(run: Run, output: Mapping[str, Any], trials: Mapping[int, Trial]) -> Output:
    """By the run of each trial its metrics, each a list of what was logged: as Azure ML writes them."""
    found: dict[UUID, dict[str, list[Any]]] = {row.run_id: {} for row in trials.values()}
    points = MetricPoint.objects.filter(run__in=found).order_by("run_id", "name", "index", "id")
    for key, name, value, data in points.values_list("run_id", "name", "value", "data").iterator():
        found[key].setdefault(name, []).append(value if value is not None else data)
    text = json.dumps({str(key): metrics for key, metrics in found.items()}, indent=1)
    return _put(run, output, {"": io.BytesIO(text.encode())})


def _model(run: Run, output: Mapping[str, Any], made: Made, trial: Trial) -> Output:
    """A file, or all files of a folder, that the best trial has kept."""
    wanted = (made.file or "").strip("/").removeprefix("./")
    rows = list(Artifact.objects.filter(run=trial.run_id, path__startswith=wanted).order_by("path"))
    store = artifact_store(run.workspace_id)
    one = [row for row in rows if row.path == wanted]
    below = {row.path.removeprefix(f"{wanted}/"): row for row in rows if row.path.startswith(f"{wanted}/")}
    chosen = {"": one[0]} if one else below
    if not chosen:
        raise _Missing("no_model_file", number=trial.number, file=wanted, output=output["name"])
    opened: dict[str, BinaryIO] = {}
    try:
        for name, row in chosen.items():
            opened[name] = store.open(row.key)
        return _put(run, output, opened)
    finally:
        for source in opened.values():
            source.close()


def _of_best(run: Run, output: Mapping[str, Any], trial: Trial) -> Output:
    """The best trial's own output of this name, where it lies: nothing is copied."""
    found = Output.objects.filter(run=trial.run_id, name=output["name"], removed_at=None).first()
    if found is None:
        raise _Missing("no_model_file", number=trial.number, file=output["name"], output=output["name"])
    store = datastores.datastore(run.workspace, found.datastore)
    return outputs.keep(run, output, store, found.path, found.files, is_directory=found.is_directory)


def _put(run: Run, output: Mapping[str, Any], files: Mapping[str, BinaryIO]) -> Output:
    """Write files to the place of an output; the name of a single one is empty."""
    name, path = outputs.place_of(run, output)
    store: Datastore = datastores.datastore(run.workspace, name)
    root, listed = stores.root_of(store), []
    for part, source in files.items():
        written = root.write(f"{path}/{part}" if part else path, source)
        listed.append({"path": part or path.rsplit("/", 1)[-1], "size": written.size, "digest": written.digest})
    return outputs.keep(run, output, store, path, listed, is_directory="" not in files)
