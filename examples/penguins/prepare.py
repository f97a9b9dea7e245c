"""Keep the records that are complete, under short names."""

import argparse
from pathlib import Path

import pandas as pd
from azureml.core import Run

COLUMNS = {
    "Species": "species",
    "Island": "island",
    "Culmen Length (mm)": "bill_length",
    "Culmen Depth (mm)": "bill_depth",
    "Flipper Length (mm)": "flipper_length",
    "Body Mass (g)": "body_mass",
}

parser = argparse.ArgumentParser()
parser.add_argument("--raw", required=True, help="the raw file, or the folder that holds it")
parser.add_argument("--prepared", required=True, help="the folder to write")
args = parser.parse_args()

run = Run.get_context()
source = Path(args.raw)
file = source if source.is_file() else sorted(source.rglob("*.csv"))[0]
raw = pd.read_csv(file, na_values=["NA"])
print(f"Read {len(raw)} records of {file.name}.")

table = raw[list(COLUMNS)].rename(columns=COLUMNS)
complete = table.dropna().copy()
# "Adelie Penguin (Pygoscelis adeliae)" is an Adelie to its friends.
complete["species"] = complete["species"].str.split().str[0]

target = Path(args.prepared)
target.mkdir(parents=True, exist_ok=True)
complete.to_csv(target / "penguins.csv", index=False)
print(f"Wrote {len(complete)} complete records.")

run.log("records", len(raw))
run.log("complete", len(complete))
counts = complete["species"].value_counts().sort_index()
run.log_table("species", {"species": list(counts.index), "records": [int(count) for count in counts]})
