"""Two columns of all files, of the flights that arrived."""

import argparse
import os

import pandas as pd
from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--flights", required=True, help="the folder of the files as they were recorded")
parser.add_argument("--out", required=True, help="the folder to write")
args = parser.parse_args()
assert os.environ["AZUREML_DATAREFERENCE_flights"] == args.flights

names = sorted(name for name in os.listdir(args.flights) if name.endswith(".csv"))
flights = pd.concat([pd.read_csv(os.path.join(args.flights, name)) for name in names])
cleaned = flights[["dep_delay", "arr_delay"]].dropna()
os.makedirs(args.out)
cleaned.to_csv(os.path.join(args.out, "delays.csv"), index=False)
run = Run.get_context()
run.log_list("files", names)
run.log("flights", len(flights))
run.log("arrived", len(cleaned))
