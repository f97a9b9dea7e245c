"""Reads a file by its path, a table as an object, files in a folder."""

import sys
from pathlib import Path

from azureml.core import Run

run = Run.get_context()
assert Path(sys.argv[1]).read_text() == "a file"
assert list(run.input_datasets["rows"].to_pandas_dataframe()["y"]) == ["2", "4"]
assert [path.name for path in Path(run.input_datasets["files"]).iterdir()] == ["table.csv"]
