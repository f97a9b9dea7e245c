"""Package names: what conda and PyPI call the same thing, what only conda has, and what the SDK answers
for."""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, Optional, Tuple

# conda → PyPI where the names differ and the thing is the same.
RENAMED: Dict[str, str] = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "pytorch-lightning": "pytorch-lightning",
    "py-opencv": "opencv-python-headless",
    "opencv": "opencv-python-headless",
    "libopencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "py-lightgbm": "lightgbm",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-base": "tensorflow",
    "tensorflow-mkl": "tensorflow",
    "keras-gpu": "keras",
    "matplotlib-base": "matplotlib",
    "seaborn-base": "seaborn",
    "dask-core": "dask",
    "pytables": "tables",
    "msgpack-python": "msgpack",
    "python-graphviz": "graphviz",
    "python-lmdb": "lmdb",
    "jupyterlab-widgets": "jupyterlab-widgets",
    "ruamel-yaml": "ruamel.yaml",
    "faiss-cpu": "faiss-cpu",
    "python-snappy": "python-snappy",
    "psycopg2": "psycopg2-binary",
    "mysql-connector-python": "mysql-connector-python",
    "pyarrow-core": "pyarrow",
    "prophet": "prophet",
    "fbprophet": "prophet",
    "importlib-metadata": "importlib-metadata",
    "importlib_metadata": "importlib-metadata",
    "scikit-image": "scikit-image",
    "skimage": "scikit-image",
    "pytorch-transformers": "pytorch-transformers",
    "blosc": "blosc",
    "xorg-libx11": "",
    "brotlipy": "brotlipy",
    "typing-extensions": "typing-extensions",
    "snowflake-connector-python": "snowflake-connector-python",
    "geopandas-base": "geopandas",
    "nltk-data": "",
    "spacy-model-en-core-web-sm": "en-core-web-sm",
    "protobuf": "protobuf",
    "grpcio": "grpcio",
    "h5py": "h5py",
    "pyspark": "pyspark",
}

# Names of pip that are not what they seem.
PIP_RENAMED: Dict[str, str] = {"sklearn": "scikit-learn", "skimage": "scikit-image"}

CONDA_ONLY: FrozenSet[str] = frozenset(
    {
        "cudatoolkit",
        "cudatoolkit-dev",
        "cudnn",
        "nccl",
        "cupti",
        "magma-cuda",
        "mkl-service",
        "blas",
        "openblas",
        "openmpi",
        "mpich",
        "impi-rt",
        "gcc",
        "gxx",
        "gfortran",
        "clang",
        "clangxx",
        "cmake-no-system",
        "make",
        "binutils",
        "openjdk",
        "java-jdk",
        "nodejs",
        "rust",
        "go",
        "perl",
        "julia",
        "git",
        "git-lfs",
        "curl",
        "wget",
        "ffmpeg",
        "graphviz",
        "gdal",
        "proj",
        "geos",
        "hdf5",
        "netcdf4-c",
        "openssl",
        "sqlite",
        "zlib",
        "bzip2",
        "xz",
        "readline",
        "tk",
        "ncurses",
        "ca-certificates",
        "vc",
        "vs2015-runtime",
        "unixodbc",
        "boost",
        "boost-cpp",
        "arrow-cpp",
        "tini",
        "bash",
        "conda",
        "mamba",
        "anaconda",
        "faiss-gpu",
        "nvidia-apex",
        "cutensor",
        "glib",
        "qt",
        "pandoc",
        "hadoop",
        "spark",
        "rstudio",
        "kernel-headers-linux-64",
        "sysroot-linux-64",
        "geckodriver",
        "firefox",
    }
)
_CONDA_ONLY_PATTERN = re.compile(
    r"r(?:-.*)?|_.*|lib(?!rosa|sass|svm|clang|cst|linear|tpu|archive-c|cloud|pysal).*|cuda-.*"
    r"|pytorch-cuda|pytorch-mutex|g(?:cc|xx|fortran)_.*|gst-.*|xorg-.*|font-.*|.*-cos\d-.*"
)

# Parts of conda itself that a virtual environment has or needs not.
_PART_OF_ENVIRONMENT = frozenset({"python", "pip", "setuptools", "wheel", "python-abi", "nomkl", "mkl", "intel-openmp"})

# What scripts import because Azure's packages require it, by the metadata of their releases 1.27 and 1.60. Without
# versions: what a program pins itself decides.
_CORE = ("python-dateutil", "pytz", "requests", "six")
_ROWS = (*_CORE, "numpy", "pyarrow")
_DEFAULTS = (*_ROWS, "dill", "pandas")
_AUTOML = (*_DEFAULTS, "joblib", "lightgbm", "scikit-learn", "scipy")
_BRINGS: Dict[str, Tuple[str, ...]] = {
    "azureml-automl-runtime": _AUTOML,
    "azureml-dataprep": (),
    "azureml-dataset-runtime": ("numpy", "pyarrow"),
    "azureml-defaults": _DEFAULTS,
    "azureml-interpret": (*_CORE, "numpy"),
    "azureml-mlflow": ("mlflow-skinny",),
    "azureml-model-management-sdk": (*_CORE, "dill", "numpy", "pandas"),
    "azureml-sdk": _DEFAULTS,
    "azureml-telemetry": (),
    "azureml-train-automl": _AUTOML,
    "azureml-train-automl-runtime": _AUTOML,
}
# By their extras: `azureml-dataprep[pandas]`.
_EXTRAS: Dict[str, Tuple[str, ...]] = {
    "automl": _AUTOML,
    "pandas": ("numpy", "pandas", "pyarrow"),
    "parquet": ("pyarrow",),
    "pyarrow": ("pyarrow",),
    "scipy": ("scipy",),
}


def normalise(name: str) -> str:
    """A distribution's name as PEP 503 spells it: lower case, runs of `-`, `_`, `.` as one hyphen."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_own(name: str) -> bool:
    """Whether the SDK that every step has answers for this distribution: Azure ML's own packages and
    Duto's."""
    plain = normalise(name)
    return plain in ("azureml", "duto", "duto-azureml") or plain.startswith("azureml-")


def brought_by(name: str, extras: FrozenSet[str]) -> Tuple[str, ...]:
    """What a script may import because it asked for this package of Azure's."""
    plain = normalise(name)
    found = _BRINGS.get(plain, _CORE if plain.startswith("azureml-") else ())
    return tuple(dict.fromkeys((*found, *(each for extra in sorted(extras) for each in _EXTRAS.get(extra, ())))))


def is_conda_only(name: str) -> bool:
    """Whether no package of PyPI is this conda package."""
    plain = normalise(name)
    if plain in CONDA_ONLY or RENAMED.get(plain) == "":
        return True
    return plain not in RENAMED and _CONDA_ONLY_PATTERN.fullmatch(plain) is not None


def from_conda(name: str) -> Optional[str]:
    """The PyPI name of a conda package; None when the environment has it without asking."""
    plain = normalise(name)
    if plain in _PART_OF_ENVIRONMENT:
        return None
    return RENAMED.get(plain, plain)


def from_pip(name: str) -> str:
    """The name to ask PyPI for."""
    plain = normalise(name)
    return PIP_RENAMED.get(plain, plain)
