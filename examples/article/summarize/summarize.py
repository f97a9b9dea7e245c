"""Count the species of a dataset that comes as an object, in the workspace that the run belongs to."""

from azureml.core import Run

run = Run.get_context()
ws = run.experiment.workspace
table = run.input_datasets["penguin_data"].to_pandas_dataframe()
counts = table["Species"].value_counts()
print(f"Workspace '{ws.name}', datastore '{ws.get_default_datastore().name}': {len(table)} records.")
for species, count in counts.items():
    run.log(species.split()[0], int(count))
