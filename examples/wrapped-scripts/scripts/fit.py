"""The middle longitude of each time zone."""

import argparse
import csv
import json
import os
import statistics

parser = argparse.ArgumentParser()
parser.add_argument("--parts", required=True, help="the folder of train.csv")
parser.add_argument("--out", required=True, help="the folder to write")
args = parser.parse_args()

longitudes = {}
with open(os.path.join(args.parts, "train.csv"), newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        longitudes.setdefault(row["tzone"], []).append(float(row["lon"]))
zones = {zone: statistics.median(found) for zone, found in sorted(longitudes.items())}

os.makedirs(args.out, exist_ok=True)
with open(os.path.join(args.out, "zones.json"), "w", encoding="utf-8") as file:
    json.dump(zones, file, indent=2)
print(zones)
