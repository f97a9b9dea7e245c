"""Steps that read from a far datastore in each way there is, and write to it: `program.py STORE`."""

import pathlib
import sys
import time

import pandas as pd
from azureml.core import Dataset, Datastore, Experiment, RunConfiguration, Workspace
from azureml.data import OutputFileDatasetConfig
from azureml.data.data_reference import DataReference
from azureml.pipeline.core import Pipeline, PipelineData
from azureml.pipeline.steps import PythonScriptStep

here, name = pathlib.Path(__file__).parent, sys.argv[1]
ws = Workspace.from_config()
store = Datastore.get(ws, name)

# What lies there: names of every sort, an empty file, a table in two formats.
local = here / "local"
for key, text in {
    "files/plain.txt": "plain", "files/sub dir/é – ü.txt": "unicode", "files/empty": "",
    "files/a#b?c&d=e+f%20g.txt": "odd", "files/日本/[1]'\".txt": "brackets", "one/single.bin": "single",
}.items():  # fmt: skip
    (local / key).parent.mkdir(parents=True, exist_ok=True)
    (local / key).write_text(text)
frame = pd.DataFrame({"n": [1, 2, 3], "name": ["a", "é", "c"], "x": [0.5, 1.5, 2.5]})
(local / "tables").mkdir(exist_ok=True)
frame.to_csv(local / "tables" / "t.csv", index=False)
frame.to_parquet(local / "tables" / "t.parquet", index=False)
store.upload(str(local), target_path="in", overwrite=True, show_progress=False)
time.sleep(2.1)  # SFTP tells whole seconds: a file of a moment ago is not known yet, and what reads it is not reused

bare = RunConfiguration()
bare.environment.python.user_managed_dependencies = True
full = RunConfiguration()  # with pandas and pyarrow
full.environment.python.user_managed_dependencies = True
full.environment.python.interpreter_path = sys.executable
common = {"compute_target": "cpu-cluster", "source_directory": str(here / "steps")}

files = Dataset.File.from_files([(store, "in/files/**")])
single = Dataset.File.from_files([(store, "in/one/single.bin")])
csv = Dataset.Tabular.from_delimited_files([(store, "in/tables/t.csv")])
parquet = Dataset.Tabular.from_parquet_files([(store, "in/tables/t.parquet")])
down = files.as_named_input("down").as_download()
mounted = files.as_named_input("mounted").as_mount()
one = single.as_named_input("one").as_download()
reference = DataReference(datastore=store, data_reference_name="reference", path_on_datastore="in/files")
made = OutputFileDatasetConfig(name="made", destination=(store, "out/{run-id}/{output-name}")).register_on_complete(
    f"made on {name}"
)
older = PipelineData("older", datastore=store)
work = PythonScriptStep(
    "work.py", name="work", runconfig=bare, inputs=[down, mounted, one, reference], outputs=[made, older],
    arguments=["--files", down, mounted, reference, "--one", one, "--made", made, "--older", older], **common,
)  # fmt: skip
rows = PythonScriptStep(
    "rows.py", name="rows", runconfig=full, inputs=[csv.as_named_input("csv"), parquet.as_named_input("parquet")],
    **common,
)  # fmt: skip
before, older_file = made.as_input("before").as_mount(), older.as_download()
after = PythonScriptStep(
    "after.py", name="after", runconfig=bare, inputs=[before, older_file],
    arguments=[before, older_file], **common,
)  # fmt: skip

pipeline = Pipeline(ws, steps=[work, rows, after])
for expected in (None, "true"):
    run = Experiment(ws, "Far stores").submit(pipeline)
    run.wait_for_completion(show_output=True)
    steps = {step.name: step for step in run.get_steps()}
    assert {step.get_status() for step in steps.values()} == {"Finished"}, steps
    if expected:
        reused = {each: steps[each].get_properties().get("azureml.isreused") for each in steps}
        assert set(reused.values()) == {expected}, reused

found = Dataset.get_by_name(ws, f"made on {name}")
places = found.download(str(here / "back"), overwrite=True)
back = {str(pathlib.Path(place).relative_to(here / "back")): pathlib.Path(place).read_text() for place in places}
assert back == {"sum.txt": "plain unicode odd brackets single", "sub/é – ü.txt": "kept", "empty": ""}, back
print("ok: far stores")
