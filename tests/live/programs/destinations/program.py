"""A person's file, and a step that submits a graph whose output would be kept over it."""

import pathlib

from azureml.core import Experiment, RunConfiguration, ScriptRunConfig, Workspace

here = pathlib.Path(__file__).parent
ws = Workspace.from_config()
store = ws.get_default_datastore()
(here / "theirs").mkdir()
(here / "theirs" / "a.txt").write_text("a person's")
store.upload(str(here / "theirs"), "theirs", overwrite=True, show_progress=False)
bare = RunConfiguration()
bare.environment.python.user_managed_dependencies = True
script = ScriptRunConfig(str(here / "steps"), script="submit.py", compute_target="cpu-cluster", run_config=bare)
run = Experiment(ws, "Destinations").submit(script)
run.wait_for_completion(show_output=True, raise_on_error=False)
assert run.status == "Completed", run.get_details()
store.download(str(here / "back"), prefix="theirs", show_progress=False)
assert (here / "back" / "theirs" / "a.txt").read_text() == "a person's"
store.download(str(here / "back"), prefix="ours", show_progress=False)
assert (here / "back" / "ours" / "a.txt").read_text() == "a step's"
print("ok: destinations")
