"""Two tables that say the same, read by rows."""

from azureml.core import Run

inputs = Run.get_context().input_datasets
for name in ("csv", "parquet"):
    frame = inputs[name].to_pandas_dataframe()
    assert frame.to_dict("list") == {"n": [1, 2, 3], "name": ["a", "é", "c"], "x": [0.5, 1.5, 2.5]}, frame
