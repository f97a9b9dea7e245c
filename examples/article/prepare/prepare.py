"""Keep the records that are complete."""

import argparse
from pathlib import Path

import pandas as pd
from azureml.core import Run

FEATURES = ["Culmen Length (mm)", "Culmen Depth (mm)", "Flipper Length (mm)", "Body Mass (g)"]

parser = argparse.ArgumentParser()
parser.add_argument("--input", required=True, help="the folder of the raw records")
parser.add_argument("--output", required=True, help="the folder to write")
args = parser.parse_args()

files = sorted(Path(args.input).rglob("*.csv"))
raw = pd.concat(pd.read_csv(file, na_values=["NA"]) for file in files)
complete = raw[["Species", *FEATURES]].dropna()

folder = Path(args.output)
folder.mkdir(parents=True, exist_ok=True)
complete.to_csv(folder / "complete.csv", index=False)
print(f"{len(complete)} of {len(raw)} records are complete.")
Run.get_context().log("complete", len(complete))
