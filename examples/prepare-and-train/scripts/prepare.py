"""Keeps the complete records, under short names, in a folder that it makes itself."""

import argparse
import os

from azureml.core import Run

COLUMNS = {
    "Species": "species",
    "Culmen Length (mm)": "bill_length",
    "Culmen Depth (mm)": "bill_depth",
    "Flipper Length (mm)": "flipper_length",
    "Body Mass (g)": "body_mass",
}

parser = argparse.ArgumentParser()
parser.add_argument("--penguins", required=True, help="the id of the dataset")
parser.add_argument("--prepared", required=True, help="the folder to write")
args = parser.parse_args()

run = Run.get_context()
raw = run.input_datasets["penguins"].to_pandas_dataframe()
table = raw[list(COLUMNS)].rename(columns=COLUMNS)
for column in table.columns[1:]:
    table[column] = table[column].replace("NA", None).astype(float)
table = table.dropna()
table["species"] = table["species"].str.split().str[0]

os.makedirs(args.prepared, exist_ok=True)
table.to_csv(os.path.join(args.prepared, "penguins.csv"), index=False)
print(f"Kept {len(table)} of {len(raw)} records of the dataset {args.penguins}.")
run.log("records", len(raw))
run.log("complete", len(table))
