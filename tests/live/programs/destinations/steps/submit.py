"""Submits with its run's token: over a person's file, and twice to a place of its own."""

from azureml.core import Run, RunConfiguration
from azureml.data import OutputFileDatasetConfig
from azureml.exceptions import UserErrorException
from azureml.pipeline.core import Pipeline
from azureml.pipeline.steps import PythonScriptStep

run = Run.get_context()
ws = run.experiment.workspace
bare = RunConfiguration()
bare.environment.python.user_managed_dependencies = True


def submit(place):
    out = OutputFileDatasetConfig("out", destination=(ws.get_default_datastore(), place)).as_upload(overwrite=True)
    step = PythonScriptStep(
        "write.py", arguments=[out], compute_target="cpu-cluster", runconfig=bare, source_directory=".",
        allow_reuse=False,
    )  # fmt: skip
    return run.experiment.submit(Pipeline(ws, [step]))


try:
    submit("theirs")
    raise AssertionError("a person's file would have been replaced")
except UserErrorException as error:
    assert "theirs/a.txt" in str(error) and "'out'" in str(error), error
for _ in range(2):
    assert submit("ours").wait_for_completion(show_output=False) == "Finished"
