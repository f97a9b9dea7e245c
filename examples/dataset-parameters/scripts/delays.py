"""The mean delay of the flights of those airlines whose names are known."""

import argparse
import os

import pandas as pd
from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--airlines", required=True, help="the folder, or the only file, of the airlines' names")
parser.add_argument("--flights", required=True, help="the id of the dataset of flights")
args = parser.parse_args()

run = Run.get_context()
path = args.airlines
if os.path.isdir(path):
    path = os.path.join(path, "airlines.csv")
airlines = pd.read_csv(path)
flights = run.input_datasets["flights"].to_pandas_dataframe()
known = flights[flights["carrier"].isin(airlines["carrier"])]
by_name = known.merge(airlines, on="carrier").groupby("name")["dep_delay"]
for name, delay in by_name.mean().sort_values().items():
    run.log_row("by airline", airline=name, delay=float(delay))

run.log("airlines", len(airlines))
run.log("flights", len(known))
run.log("delay", float(known["dep_delay"].mean()))
print(f"{len(known)} of {len(flights)} flights of the dataset {args.flights}, {len(airlines)} airlines.")
