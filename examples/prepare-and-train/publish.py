"""Publishes what the newest run of the experiment ran, and starts it over HTTP."""

import requests
from azureml.core import Experiment, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
from azureml.pipeline.core import PipelineRun, PublishedPipeline

ws = Workspace.from_config()
experiment = Experiment(ws, "Prepare and train")
newest = next(experiment.get_runs())
published = newest.publish_pipeline(name="Prepare and train", description="Penguins by season", version="1.0")
print(f"Published {published.name} with {len(published.get_step_names())} steps.")

header = InteractiveLoginAuthentication().get_authentication_header()
answer = requests.post(
    published.endpoint,
    headers=header,
    json={"ExperimentName": experiment.name, "Tags": {"program": "publish.py"}},
    timeout=60,
)
answer.raise_for_status()
triggered = PipelineRun(experiment, answer.json()["Id"])
print("triggered", triggered.wait_for_completion(show_output=True))
print("tags", triggered.get_tags())
print("active", published.id in [each.id for each in PublishedPipeline.list(ws)])
