"""The mean error of the model, in minutes; one that is too large fails the step."""

import argparse
import json
import os

import pandas as pd
from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--cleaned", required=True, help="the folder of delays.csv")
parser.add_argument("--model", required=True, help="the model's file")
parser.add_argument("--out", required=True, help="the folder to write")
parser.add_argument("--largest-error", type=float, required=True, help="in minutes")
args = parser.parse_args()

delays = pd.read_csv(os.path.join(args.cleaned, "delays.csv"))
with open(args.model, encoding="utf-8") as file:
    model = json.load(file)
error = (model["slope"] * delays["dep_delay"] + model["shift"] - delays["arr_delay"]).abs().mean()
Run.get_context().log("error", float(error))
os.makedirs(args.out)
with open(os.path.join(args.out, "report.txt"), "w", encoding="utf-8") as file:
    file.write(f"Mean error {error:.2f} minutes over {len(delays)} flights\n")
if error > args.largest_error:
    raise SystemExit(f"The model is wrong by {error:.2f} minutes, more than {args.largest_error}.")
