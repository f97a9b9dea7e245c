import math

import pandas as pd
from azureml.core import Dataset, Workspace
from azureml.data.dataset_profile import DatasetProfile
from azureml.data.dataset_profile_run import DatasetProfileRun
from azureml.exceptions import UserErrorException

ws = Workspace.from_config()
store = ws.get_default_datastore()
store.upload_files(["penguins.csv"], target_path="profiled", overwrite=True)
table = Dataset.Tabular.from_delimited_files((store, "profiled/penguins.csv")).register(ws, "profiled")
try:
    table.get_profile()
except UserErrorException as error:
    assert "no profile yet" in str(error), error
else:
    raise AssertionError("a profile that nobody has computed")

run = table.submit_profile_run("cpu", "penguins")
assert isinstance(run, DatasetProfileRun), run
profile = run.wait_for_completion(show_output=True).get_profile()
assert isinstance(profile, DatasetProfile) and run.get_status() == "Completed"
assert profile.run_id == run.id and profile.get_producing_run().id == run.id
assert [each.id for each in table.get_profile_runs()] == [run.id]

frame = table.to_pandas_dataframe()
newest = table.get_profile(ws)
assert list(newest.columns) == list(frame.columns) and newest.row_count == len(frame)
for name, column in newest.columns.items():
    values = frame[name]
    assert column.count == len(values) and column.missing_count == values.isna().sum(), name
    assert column.unique_values == values.nunique(), name
    if column.type in ("INTEGER", "DECIMAL"):
        numbers = values.astype("float64")
        assert (column.min, column.max) == (numbers.min(), numbers.max()), name
        for found, expected in (
            (column.mean, numbers.mean()), (column.std, numbers.std()), (column.variance, numbers.var()),
            (column.skewness, numbers.skew()), (column.kurtosis, numbers.kurt()), (column.median, numbers.median()),
            (column.lower_quartile, numbers.quantile(0.25)), (column.quantiles[0.99], numbers.quantile(0.99)),
        ):  # fmt: skip
            assert math.isclose(found, expected, rel_tol=1e-9), (name, found, expected)
        assert sum(each.count for each in column.histogram) == numbers.count(), name
        assert column.histogram[0].lower_bound == numbers.min()
    if column.type == "DATE":
        assert pd.Timestamp(column.min) == values.min() and pd.Timestamp(column.max) == values.max(), name
    counted = values.value_counts()
    assert column.value_counts[0].count == counted.iloc[0], name
    assert sum(each.count for each in column.type_counts) == column.count, name
assert set(newest.dtypes.values()) == {"STRING", "INTEGER", "DECIMAL", "DATE"}, newest.dtypes
described = newest.as_dataframe()
assert described.loc["Body Mass (g)", "50%"] == frame["Body Mass (g)"].median()
assert not newest.is_stale()

store.upload_files(["penguins.csv"], target_path="profiled/more", overwrite=True)
part = Dataset.Tabular.from_delimited_files((store, "profiled/penguins.csv")).keep_columns(["Island"]).take(10)
assert part._generate_profile().columns["Island"].count == 10
print("all of it")
