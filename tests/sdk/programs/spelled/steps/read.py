"""Finds the word in each file or folder, and each input in the variable of its name."""

import os
import sys
from pathlib import Path

from azureml.core import Run
from shared import WORD

paths = [Path(path) for path in sys.argv[1:]]
for path in paths:
    file = next(path.iterdir()) if path.is_dir() else path
    assert WORD in file.read_text(), path
inputs = Run.get_context().input_datasets
for name in os.environ["ONE_FILE"].split():
    path = Path(inputs[name])
    assert path.name == "one.txt" and path.is_file() and path in paths, path
    assert os.environ[name] == os.environ["AZUREML_DATAREFERENCE_" + name] == str(path)
assert [each.name for each in Path(inputs["folder"]).iterdir()] == ["one.txt"]
