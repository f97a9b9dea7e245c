"""The variables of a step's process: which there are, who knows them, and which wins. Nothing else sets one. Pure.

The studio knows the run (`of_run`); that part travels in the launch spec. The agent, or `duto debug` on one's own machine,
knows where the data lie, and puts all of it together (`of_step`). Names are Azure ML's where it has one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Tuple

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


def of_run(
    *,
    run: str,
    root: str,
    parent: str,
    subscription: str,
    resource_group: str,
    workspace: str,
    workspace_id: str,
    experiment: str,
    experiment_id: str,
    attempt: int,
) -> Dict[str, str]:
    """What `Run.get_context()` and scripts read of the run. `attempt` counts from 1: a script that is tried again knows it."""
    return {
        "AZUREML_RUN_ID": run,
        "AZUREML_ROOT_RUN_ID": root,
        "AZUREML_PARENT_RUN_ID": parent,
        "AZUREML_ARM_SUBSCRIPTION": subscription,
        "AZUREML_ARM_RESOURCEGROUP": resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": workspace,
        "AZUREML_ARM_PROJECT_NAME": experiment,
        "AZUREML_EXPERIMENT_ID": experiment_id,
        "AZUREML_WORKSPACE_ID": workspace_id,
        "DUTO_ATTEMPT": str(attempt),
    }


def of_data(
    places: Mapping[str, str],
    modes: Mapping[str, str],
    file_outputs: List[str],
    params: Mapping[str, str],
    links: Mapping[str, str],
) -> Dict[str, str]:
    """Where inputs and outputs lie, how inputs were brought, and the parameters, each as it is to be read."""
    found: Dict[str, str] = {}
    for name, place in places.items():
        found[f"AZUREML_DATAREFERENCE_{name}"] = place
        found[name] = place
    if modes:
        found["AZUREML_DATASET_ENVIRONMENT_VARS"] = ",".join(f"{name}:{mode}" for name, mode in modes.items())
    if file_outputs:
        found["AZUREML_DATASET_FILE_OUTPUTS"] = ";".join(file_outputs)
    if links:
        found["DUTO_DATASET_LINKS"] = ",".join(f"{name}:{kind}" for name, kind in links.items())
    found.update({f"AML_PARAMETER_{name}": value for name, value in params.items()})
    return found


@dataclass(frozen=True)
class Surroundings:
    """What the host knows of a step: folders and files of its attempt, its Python, its share of the cores, the way to the studio.

    A step that runs outside of the studio has no spool, no masks, no file with the studio's address, and no token.
    """

    home: str
    temporary: str
    tracking: str  # whereto MLflow logs, as an address
    python_path: Tuple[str, ...]
    bin_folder: Optional[str]
    cores: int
    studio: str
    token: Optional[str] = None
    spool: Optional[str] = None
    masks: Optional[str] = None  # the socket by which the SDK says what the log may not show
    studio_file: Optional[str] = None
    fonts: Optional[str] = None
    r_library: Optional[str] = None
    path: Tuple[str, ...] = ("/usr/local/bin", "/usr/bin", "/bin")


def of_step(
    run: Mapping[str, str], data: Mapping[str, str], own: Mapping[str, str], around: Surroundings
) -> Dict[str, str]:
    """All of them; nothing of the agent's own environment passes.

    What the environment and the step set (`own`) wins over the ground and the folders, and loses to what tells of the
    run, of the data and of the studio. Their PYTHONPATH comes after ours.
    """
    path = [around.bin_folder] if around.bin_folder else []
    known = {
        "MPLCONFIGDIR": around.fonts,
        "R_LIBS_USER": around.r_library,
        "DUTO_SPOOL": around.spool,
        "DUTO_MASKS": around.masks,
        "DUTO_STUDIO_FILE": around.studio_file,
        "AZUREML_RUN_TOKEN": around.token,
    }
    ground = ("MPLCONFIGDIR", "R_LIBS_USER")
    given = {name: value for name, value in known.items() if value}
    ours = {
        **{name: value for name, value in given.items() if name not in ground},
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(part for part in (*around.python_path, own.get("PYTHONPATH", "")) if part),
        "AZUREML_SERVICE_ENDPOINT": around.studio,
    }
    return {
        "PATH": os.pathsep.join([*path, *around.path]),
        "LANG": "C.UTF-8",
        "USER": "duto",
        "LOGNAME": "duto",
        "MPLBACKEND": "agg",
        "HOME": around.home,
        "TMPDIR": around.temporary,
        # Every version of MLflow then works, also without a database's driver, and says whereto it logs (duto.run.mlflow_notice).
        "MLFLOW_TRACKING_URI": around.tracking,
        "MLFLOW_ALLOW_FILE_STORE": "true",
        **{name: value for name, value in given.items() if name in ground},
        **dict.fromkeys(THREADS, str(around.cores)),
        **own,
        **run,
        **data,
        **ours,
    }
