"""`python -m duto.automl settings`: the driver of a step of automated machine learning (docs/automl.md). The settings are
JSON."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, Dict, List, Mapping

from duto.exceptions import AzureMLException
from duto.run.cores import own_cores, share_out
from duto.spec.automl import Settings, settings_of


def main(document: Mapping[str, Any]) -> int:
    """Run the step; its exit code."""
    settings = settings_of(document)
    cores = own_cores()
    count = min(settings.max_concurrent_iterations, cores)
    most = cores // count if settings.max_cores_per_iteration < 0 else settings.max_cores_per_iteration
    each = max(1, min(most, cores))
    if count < settings.max_concurrent_iterations:
        print(
            f"The step has {cores} cores, so {count} trials run at once: max_concurrent_iterations is more.", flush=True
        )
    share_out(cores, each)
    warnings.filterwarnings("ignore", category=FutureWarning)
    try:
        return _searched(settings, each, count)
    except (AzureMLException, ValueError) as error:
        print(f"This step cannot run: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def _searched(settings: Settings, cores: int, count: int) -> int:
    """After the cores are shared out, since what is imported here looks at them."""
    import joblib

    from duto.automl.inside.driver import Driver
    from duto.automl.inside.folds import data_of
    from duto.automl.inside.pool import Pool
    from duto.automl.inside.search import Search
    from duto.automl.inside.trials import Fitting
    from duto.run.run import Run

    with tempfile.TemporaryDirectory(prefix="automl-") as folder:
        place = Path(folder)
        pool = Pool(settings, place / "data", cores, count)
        run: Any = Run.get_context()
        frames = _frames(settings, run)
        data = data_of(settings, frames["training_data"], frames.get("validation_data"))
        fitting = Fitting(settings, data, cores)
        for note in (*data.notes, *fitting.notes):
            print(note, flush=True)
        shape = fitting.shape
        learners = [name for name in settings.learners if data.weights is None or fitting.takes_weights(name)]
        print(
            f"{shape[0]} rows, {shape[1]} features, {len(data.folds)} folds; {', '.join(settings.models)} by "
            f"{settings.primary_metric}",
            flush=True,
        )
        joblib.dump(data, place / "data")
        search = Search(learners, fitting.task, shape, settings.iterations)
        driver = Driver(settings, run, search, pool, place, list(map(str, data.features.columns)))
        return driver.go({name: Path(os.environ[name]) for name in settings.outputs})


def _frames(settings: Settings, run: Any) -> Dict[str, Any]:
    """The frames of the step's inputs. Raises `AzureMLException` for one that is no table."""
    found: Dict[str, Any] = {}
    named: List[Any] = [("training_data", settings.training_data), ("validation_data", settings.validation_data)]
    for what, name in named:
        if name is None:
            continue
        given = run.input_datasets[name]
        if not hasattr(given, "to_pandas_dataframe"):
            raise AzureMLException(
                f"{what} is no table, but files: give a TabularDataset, or read another step's output by "
                "`as_dataset().parse_delimited_files()` or `parse_parquet_files()`."
            )
        found[what] = given.to_pandas_dataframe()
    return found


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
