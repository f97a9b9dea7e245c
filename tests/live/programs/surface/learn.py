"""Speaks with the studio from inside a step: data in, metrics, tags, files and a model out."""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from azureml.core import Dataset, Datastore, Model, Run
from azureml.exceptions import UserErrorException
from matplotlib import pyplot as plt

parser = argparse.ArgumentParser()
parser.add_argument("--numbers")
parser.add_argument("--file")
parser.add_argument("--folder")
args = parser.parse_args()

run = Run.get_context()
assert run.id and not run.id.startswith("OfflineRun"), run.id
ws = run.experiment.workspace
table = run.input_datasets["numbers"]
assert args.numbers == table.id, (args.numbers, table.id)
frame = table.to_pandas_dataframe()
assert list(frame.columns) == ["x", "y"] and len(frame) == 10
assert Path(args.file).read_text() == "7"
assert Path(args.folder, "deep", "a.txt").read_text() == "a"
assert Dataset.get_by_name(ws, "surface numbers").name == "surface numbers"
assert len(list(ws.datasets.values())) == len(ws.datasets) and ws.datasets["surface files"].name == "surface files"
assert Datastore(ws, "workspaceblobstore").name == "workspaceblobstore"

for loss in (3.0, 2.0, 1.0):
    run.log("loss", loss)
run.log("text", "words")
run.log_list("list", [1, 2, 3])
run.log_row("row", x=1, y=2)
run.log_row("row", x=3, y=4)
run.log_table("table", {"a": [1, 2], "b": ["c", "d"]})
plt.plot([1, 2])
run.log_image("drawn", plot=plt)
matrix = {
    "schema_type": "confusion_matrix",
    "schema_version": "v1",
    "data": {"class_labels": ["a", "b"], "matrix": [[1, 0], [0, 1]]},
}
run.log_confusion_matrix("matrix", matrix)
run.tag("mine", "1")
run.add_properties({"kept": "yes"})
run.parent.log("best", 0.5)
run.parent.tag("winner", "learn")
assert run.get_metrics("loss") == {"loss": [3.0, 2.0, 1.0]}, run.get_metrics("loss")

with run.child_run("fold") as fold:
    fold.log("score", 0.5)
assert fold.get_status() == "Completed" and fold.get_metrics() == {"score": 0.5}, fold.get_details()

Path("outputs").mkdir(exist_ok=True)
Path("outputs/model.json").write_text(json.dumps({"mean": float(frame["y"].mean())}))
Path("loose.txt").write_text("loose")
run.upload_file("kept/loose.txt", "loose.txt")
model = run.register_model("surface model", "outputs/model.json", tags={"rows": "10"})
assert model.version >= 1
model.add_tags({"seen": "in a step"})
assert json.loads(Path(Model.get_model_path("surface model", version=model.version)).read_text()).keys() == {"mean"}

# What is new may be uploaded and registered from a step; what others made stays.
store, mine = Datastore(ws, "workspaceblobstore"), f"surface/of-steps/{run.id}"
for overwrite in (False, True):
    store.upload_files(["loose.txt"], target_path=mine, overwrite=overwrite, show_progress=False)
assert Dataset.File.from_files([(store, f"{mine}/*")]).register(ws, "surface of steps", create_new_version=True).id
Path("numbers.csv").write_text("changed")
try:
    store.upload_files(["numbers.csv"], target_path="surface/one", overwrite=True, show_progress=False)
except UserErrorException as refusal:
    assert "the scope 'standard' of this workspace does not allow 'change'" in str(refusal), refusal
else:
    raise AssertionError("a step has overwritten what it did not make")
print("learnt from", len(frame), "rows")
