"""The curated environments of a studio by name, and which of them stands in for one of Azure's. Pure."""

from __future__ import annotations

import re
from typing import Dict, Optional, Tuple

TUTORIAL, SKLEARN, OLD_SKLEARN = "AzureML-Tutorial", "AzureML-sklearn-1.2", "AzureML-sklearn-1.1"
AUTOML = "AzureML-AutoML"
PYTORCH, TENSORFLOW = "AzureML-pytorch-2.0", "AzureML-tensorflow-2.12"
PYSPARK = "AzureML-PySpark-3.5"

# What people choose each for; the studio's locks say the rest.
HEADLINES: Dict[str, str] = {
    SKLEARN: "numpy 1.23.5, pandas 1.5.3, scikit-learn 1.2.2, lightgbm 3.3.5",
    OLD_SKLEARN: "numpy 1.23.5, pandas 1.5.3, scikit-learn 1.1.3, lightgbm 3.3.5",
    AUTOML: "flaml 2.8.0, scikit-learn 1.2.2, lightgbm 4.7.0, xgboost-cpu 3.2.0",
    PYTORCH: "torch 2.0.1, torchvision 0.15.2, numpy 1.23.5",
    TENSORFLOW: "tensorflow 2.12.1, numpy 1.23.5",
    PYSPARK: "pyspark 3.5.9, pandas 2.2.3, numpy 1.26.4",
}
# Packages for which one of them is named where a version that an old program wants cannot be installed.
SERVES: Dict[str, str] = {
    **dict.fromkeys(("numpy", "pandas", "scipy", "scikit-learn", "lightgbm", "matplotlib"), SKLEARN),
    **dict.fromkeys(("torch", "torchvision"), PYTORCH),
    **dict.fromkeys(("tensorflow", "tensorflow-gpu", "tensorflow-cpu", "keras"), TENSORFLOW),
    "pyspark": PYSPARK,
}
# Azure's names: `AzureML-sklearn-0.24-ubuntu18.04-py37-cpu`, before those `AzureML-Scikit-learn-0.20.3`. A name that none
# of these packages would serve is none of them, and an error.
_VERSION = r"-\d[\w.]*(?:-[\w.]+)*"
_AZURES: Tuple[Tuple[str, str], ...] = (
    (rf"(?:sklearn|scikit-learn|lightgbm){_VERSION}", SKLEARN),
    (rf"minimal(?:{_VERSION}|-[a-z]+\d[\w.]*(?:-[\w.]+)*)?", SKLEARN),
    (r"automl(?:-dnn)?(?:-gpu)?(?:-inference)?", AUTOML),
    (rf"(?:acpt-)?pytorch{_VERSION}", PYTORCH),
    (rf"tensorflow{_VERSION}", TENSORFLOW),
    (rf"pyspark(?:-mmlspark)?{_VERSION}", PYSPARK),
)


def nearest(name: str) -> Optional[str]:
    """The curated environment that stands in for this one of Azure's; None for any other name, their own included."""
    if name in HEADLINES or name == TUTORIAL:
        return None
    kind = re.match(r"azureml-(.+)$", name, re.IGNORECASE)
    if kind is None:
        return None
    return next((ours for pattern, ours in _AZURES if re.fullmatch(pattern, kind.group(1), re.IGNORECASE)), None)


def azures(name: str) -> Tuple[str, ...]:
    """Names of Azure's that this one stands in for, as they are known best."""
    return tuple(each for each in KNOWN if nearest(each) == name)


# As Azure's documents list them.
KNOWN = (
    "AzureML-sklearn-0.24-ubuntu18.04-py37-cpu",
    "AzureML-sklearn-1.0-ubuntu20.04-py38-cpu",
    "AzureML-lightgbm-3.2-ubuntu18.04-py37-cpu",
    "AzureML-pytorch-1.7-ubuntu18.04-py37-cuda11-gpu",
    "AzureML-pytorch-1.8-ubuntu18.04-py37-cuda11-gpu",
    "AzureML-pytorch-1.9-ubuntu18.04-py37-cuda11-gpu",
    "AzureML-pytorch-1.10-ubuntu18.04-py38-cuda11-gpu",
    "AzureML-ACPT-pytorch-1.11-py38-cuda11.3-gpu",
    "AzureML-tensorflow-2.4-ubuntu18.04-py37-cuda11-gpu",
    "AzureML-PySpark-MmlSpark-0.15",
    "AzureML-AutoML",
    "AzureML-AutoML-DNN",
    "AzureML-AutoML-GPU",
    "AzureML-AutoML-DNN-GPU",
    "AzureML-Minimal",
)
