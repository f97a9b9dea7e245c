"""Reads what another step linked: files in a folder or as the file itself, rows as an object."""

from pathlib import Path

from azureml.core import Run

run = Run.get_context()
place = Path(run.input_datasets["files"])
assert [path.name for path in place.rglob("*.csv")] == ["table.csv"]
assert run.input_datasets["rows"].to_pandas_dataframe().to_dict("list") == {"x": [1], "y": [2]}
