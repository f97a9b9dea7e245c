"""How many airports of the test lie nearest to the middle of their own time zone."""

import argparse
import csv
import json
import os

from azureml.core import Run
from azureml.core.run import _OfflineRun

parser = argparse.ArgumentParser()
parser.add_argument("--parts", required=True, help="the folder of test.csv")
parser.add_argument("--zones", required=True, help="the folder of zones.json")
args = parser.parse_args()

with open(os.path.join(args.zones, "zones.json"), encoding="utf-8") as file:
    zones = json.load(file)
with open(os.path.join(args.parts, "test.csv"), newline="", encoding="utf-8") as file:
    tested = [(row["tzone"], float(row["lon"])) for row in csv.DictReader(file)]
right = sum(zone == min(zones, key=lambda other: abs(zones[other] - longitude)) for zone, longitude in tested)

run = Run.get_context()
run.log("tested", len(tested))
run.log("right", right / len(tested))
if isinstance(run, _OfflineRun):
    print("Nothing keeps these numbers: the script runs by itself.")
else:
    run.parent.log("right", right / len(tested))
