"""Learns the species from four measures, round by round: softmax regression, whose step and penalty the sweep chooses."""

import argparse
import csv
import json
import os

import numpy as np
from azureml.core import Run

MEASURES = ["Culmen Length (mm)", "Culmen Depth (mm)", "Flipper Length (mm)", "Body Mass (g)"]

parser = argparse.ArgumentParser()
parser.add_argument("--penguins", required=True, help="the file of the records")
parser.add_argument("--learning-rate", type=float, default=0.1)
parser.add_argument("--penalty", type=float, default=0.0)
parser.add_argument("--rounds", type=int, default=10)
args = parser.parse_args()

with open(args.penguins, newline="", encoding="utf-8") as file:
    rows = [row for row in csv.DictReader(file) if "NA" not in [row[measure] for measure in MEASURES]]
measured = np.array([[float(row[measure]) for measure in MEASURES] for row in rows])
names, species = np.unique([row["Species"].split()[0] for row in rows], return_inverse=True)
is_test = np.arange(len(rows)) % 3 == 0
means, spreads = measured[~is_test].mean(axis=0), measured[~is_test].std(axis=0)
scaled = np.column_stack([(measured - means) / spreads, np.ones(len(rows))])
wanted = np.eye(len(names))[species]


def chances(weights, part):
    """How likely each species is, for each record of a part."""
    powers = np.exp(scaled[part] @ weights)
    return powers / powers.sum(axis=1, keepdims=True)


run = Run.get_context()
weights = np.zeros((scaled.shape[1], len(names)))
for _ in range(args.rounds):
    slope = scaled[~is_test].T @ (chances(weights, ~is_test) - wanted[~is_test]) / (~is_test).sum()
    weights -= args.learning_rate * (slope + args.penalty * weights)
    found = chances(weights, is_test)
    loss = -np.log(found[wanted[is_test] == 1]).mean()
    run.log("loss", float(loss))
run.log("accuracy", float((found.argmax(axis=1) == species[is_test]).mean()))
print(f"Loss {loss:.3f} after {args.rounds} rounds of {args.learning_rate:.3f}, penalty {args.penalty:.4f}.")

os.makedirs("outputs", exist_ok=True)
with open("outputs/model.json", "w", encoding="utf-8") as file:
    document = {"names": names.tolist(), "means": means.tolist(), "spreads": spreads.tolist()}
    json.dump({**document, "measures": MEASURES, "weights": weights.tolist()}, file, indent=2)
