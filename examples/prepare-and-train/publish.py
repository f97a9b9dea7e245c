"""Publishes what the newest run of the experiment ran, starts it over HTTP, and has it run each week."""

from datetime import datetime, timedelta

import requests
from azureml.core import Experiment, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
from azureml.pipeline.core import PipelineRun, PublishedPipeline, Schedule, ScheduleRecurrence, TimeZone

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
# From tomorrow on, each Sunday night.
sundays = ScheduleRecurrence(
    frequency="Week",
    interval=1,
    week_days=["Sunday"],
    time_of_day="03:30",
    start_time=(datetime.now() + timedelta(days=1)).strftime("%Y-%m-%dT00:00:00"),
    time_zone=TimeZone.WEuropeStandardTime,
)
schedule = Schedule.create(
    ws,
    name="Penguins on Sundays",
    pipeline_id=published.id,
    experiment_name=experiment.name,
    recurrence=sundays,
    description="What the season has brought",
)
print("scheduled", [each.name for each in Schedule.list(ws, pipeline_id=published.id)], schedule.status)
print("active", published.id in [each.id for each in PublishedPipeline.list(ws)])
