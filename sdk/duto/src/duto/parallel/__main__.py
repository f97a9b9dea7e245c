"""`python -m duto.parallel entry.py arguments...`: the driver of a parallel step, by what `DUTO_PARALLEL` says (docs/parallel.md)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping

from duto.client.step_context import TABULAR, Context
from duto.parallel.batches import NotCut
from duto.parallel.driver import Driver
from duto.parallel.plan import Plan, apart, plan_of
from duto.parallel.shares import Shares
from duto.parallel.worker import Job, WorkerSlot
from duto.run.cores import share_out
from duto.run.offline import METRICS
from duto.spec.parallel import APPEND_ROW, Settings, settings_of

VARIABLE = "DUTO_PARALLEL"
HEADER = "--append_row_dataframe_header"


def main(given: Mapping[str, Any], arguments: List[str]) -> int:
    """Run the step; its exit code."""
    import azureml  # noqa: F401 - `azureml_user` among its names, for the scripts of all processes

    entry = Path(arguments[0]).resolve()
    folder = Path(str(given["folder"]))
    (folder / "rows").mkdir(parents=True, exist_ok=True)
    cores = int(given.get("cores") or os.cpu_count() or 1)
    # Where other nodes have a driver of their own, this one has the processes of its node alone.
    shared = given.get("shared") or {}
    try:
        settings = settings_of(given["settings"])
        nodes = 1 if shared else settings.node_count
        share_out(cores, max(1, cores // (_each_node(settings, cores) * nodes)))
        plan = apart(lambda: plan_of(settings, _inputs(settings), given.get("partition_formats") or {}, folder))
    except (NotCut, ValueError) as error:
        print(f"This step cannot run: {error}", file=sys.stderr)
        return 1
    if not plan.batches:
        print("The inputs hold nothing to cut into mini-batches.", file=sys.stderr)
    logs = Path("logs").resolve()
    places = _places(settings, cores, logs, folder / "rows", plan, nodes, int(shared.get("rank", 0)))
    output = os.environ.get(settings.output) if settings.output else None
    if output:
        os.environ["DUTO_PARALLEL_OUTPUT"] = output
        Path(output).mkdir(parents=True, exist_ok=True)
    job = Job(
        plan,
        entry,
        arguments[1:],
        settings.output_action == APPEND_ROW,
        settings.error_threshold >= 0,
        settings.logging_level,
    )
    print(f"{len(plan.batches)} mini-batches of {plan.items} items for {len(places)} processes", flush=True)
    result = Path(output) / settings.append_row_file_name if output and settings.output_action == APPEND_ROW else None
    shares = Shares(Path(shared["answers"]), Path(shared["folder"])) if shared else None
    driver = Driver(job, settings, places, Path(str(given["ledger"])), logs, _wants_header(arguments), shares)
    earlier = [Path(str(each)) for each in given.get("earlier") or ()]
    return driver.run(earlier, result)


def _inputs(settings: Settings) -> Dict[str, Any]:
    """What the inputs are: paths, tables of other steps' outputs, and datasets that came by their id."""
    datasets = _datasets()
    found = {name: datasets[name] if name in datasets else os.environ.get(name) for name in settings.inputs}
    return {name: value for name, value in found.items() if value is not None}


def _datasets() -> Dict[str, Any]:
    """Inputs that are more than paths; what reads them takes long to import, so it is not where there are none."""
    modes = os.environ.get("AZUREML_DATASET_ENVIRONMENT_VARS", "").lower()
    if "direct" not in modes and not any(name.startswith(TABULAR) for name in os.environ):
        return {}
    from duto.run.context import input_datasets
    from duto.run.run import Run

    run: Any = Run.get_context()
    return input_datasets(run if Context.of_process() is not None or METRICS in os.environ else None)


def _devices() -> List[str]:
    shown = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return [each for each in shown if each.strip() and each.strip() != "-1"]


def _each_node(settings: Settings, cores: int) -> int:
    return settings.process_count_per_node or len(_devices()) or cores


def _places(
    settings: Settings, cores: int, logs: Path, rows: Path, plan: Plan, nodes: int, first: int
) -> List[WorkerSlot]:
    """As many processes as were asked for, but none without a mini-batch. Devices are shared out in turn."""
    devices, each_node = _devices(), _each_node(settings, cores)
    count = max(1, min(each_node * nodes, len(plan.batches)))
    return [
        WorkerSlot(
            slot,
            first + slot // each_node,
            slot % each_node,
            logs,
            rows,
            devices[slot % len(devices)] if devices else "",
        )
        for slot in range(count)
    ]


def _wants_header(arguments: List[str]) -> bool:
    """Whether the arguments ask for the names of a frame's columns as the first row, as Azure ML's do."""
    for place, each in enumerate(arguments):
        name, _, value = each.partition("=")
        if name == HEADER:
            value = value or "".join(arguments[place + 1 : place + 2])
            return value.strip().lower() == "true"
    return False


if __name__ == "__main__":
    code = main(json.loads(os.environ[VARIABLE]), sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the interpreter would take its modules apart first
