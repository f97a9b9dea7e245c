"""Keeps files and registers models of them, again and under other names."""

from pathlib import Path

from azureml.core import Dataset, Run
from azureml.exceptions import UserErrorException

run = Run.get_context()
Path("outputs/models").mkdir(parents=True)
file = Path("outputs/models/m.txt")
file.write_text("one")
run.upload_file(str(file), str(file))
run.upload_file(str(file), str(file))
run.upload_folder("outputs/models", "outputs/models")
made = [run.register_model(name, path) for name, path in (("a", str(file)), ("b", "./" + str(file)), ("c", "outputs"))]
assert [model.version for model in made] == [1, 1, 1]
assert run.register_model("c", "outputs/").version == 2, "of a folder again"
file.write_text("two")
assert run.register_model("a", str(file)).version == 2
try:
    run.upload_file("outputs/models/m.txt", "shared.py")
except UserErrorException as error:
    assert "with other bytes" in str(error) and "?" not in str(error)
else:
    raise AssertionError("other bytes under the same name are a conflict")
later = Dataset.File.from_files((run.experiment.workspace.get_default_datastore(), "/spelled/one.txt"))
run.input_datasets["later"] = later
assert run.input_datasets["later"] is Run.get_context().input_datasets["later"] is later
assert run.input_datasets["table"].id
