"""Writes the model that the pipeline scores with: the middle of each species among the penguins of 2007, in four measures."""

import csv
import json
import os
import statistics

MEASURES = ["Culmen Length (mm)", "Culmen Depth (mm)", "Flipper Length (mm)", "Body Mass (g)"]

with open("data/known/penguins-2007.csv", newline="", encoding="utf-8") as file:
    known = [row for row in csv.DictReader(file) if "NA" not in [row[measure] for measure in MEASURES]]
measured = [[float(row[measure]) for measure in MEASURES] for row in known]
means = [statistics.fmean(column) for column in zip(*measured, strict=True)]
spreads = [statistics.stdev(column) for column in zip(*measured, strict=True)]

species = {}
for row, values in zip(known, measured, strict=True):
    scaled = [(value - mean) / spread for value, mean, spread in zip(values, means, spreads, strict=True)]
    species.setdefault(row["Species"].split()[0], []).append(scaled)
middles = {
    name: [statistics.fmean(column) for column in zip(*found, strict=True)] for name, found in sorted(species.items())
}

os.makedirs("model", exist_ok=True)
with open("model/middles.json", "w", encoding="utf-8") as file:
    document = {"measures": MEASURES, "means": means, "spreads": spreads, "middles": middles}
    json.dump(document, file, indent=2)
    file.write("\n")
