"""The files that a trial keeps beside its model: what loads it, and how it is asked. In the step."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Dict, List, Sequence

MODEL = "outputs/model.pkl"
CONDA = "outputs/conda_env_v_1_0_0.yml"
SCORING = "outputs/scoring_file_v_1_0_0.py"
# What models are made of; those that are installed are named.
PACKAGES = ("joblib", "lightgbm", "numpy", "pandas", "scikit-learn", "scipy", "xgboost", "xgboost-cpu")

_SCORING = '''"""Loads the model of an iteration, and asks it."""

import json
import os

import joblib
import pandas as pd

COLUMNS = {columns!r}


def init():
    global model
    model = joblib.load(os.path.join(os.getenv("AZUREML_MODEL_DIR", "."), "model.pkl"))


def run(data):
    """The predictions for rows: JSON with `data`, a list of objects by column, or of lists in the order of `COLUMNS`."""
    rows = json.loads(data)["data"]
    frame = pd.DataFrame(rows) if isinstance(rows[0], dict) else pd.DataFrame(rows, columns=COLUMNS)
    return json.dumps({{"result": model.predict(frame).tolist()}})
'''


def versions() -> Dict[str, str]:
    """The packages that models are made of, as they are installed here."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def conda_file() -> str:
    """A file of conda for the packages that load a model."""
    python = "{}.{}.{}".format(*sys.version_info[:3])
    pip = [f"    - {name}=={version}" for name, version in sorted(versions().items())]
    lines = ["name: automl", "dependencies:", f"  - python={python}", "  - pip", "  - pip:", *pip, "    - azureml-sdk"]
    return "\n".join(lines) + "\n"


def write(folder: Path, columns: Sequence[str]) -> List[str]:
    """Write the files beside `model.pkl`; the artifacts that the folder then holds."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / Path(CONDA).name).write_text(conda_file(), encoding="utf-8")
    (folder / Path(SCORING).name).write_text(_SCORING.format(columns=list(columns)), encoding="utf-8")
    return [MODEL, CONDA, SCORING]
