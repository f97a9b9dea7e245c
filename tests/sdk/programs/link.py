"""Makes a registered dataset and one of its own its outputs."""

from azureml.core import Dataset, Run
from azureml.exceptions import UserErrorException

run = Run.get_context()
ws = run.experiment.workspace
files = Dataset.get_by_name(ws, "made")
table = Dataset.Tabular.from_delimited_files([(ws.get_default_datastore(), files._definition["sources"][0]["path"])])
try:
    run.output_datasets["files"].link(table)
except UserErrorException as error:
    assert "links a FileDataset" in str(error)
run.output_datasets["files"].link(files)
run.output_datasets["rows"].link(table.take(1))
