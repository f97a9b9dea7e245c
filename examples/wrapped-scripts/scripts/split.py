"""Two files of the airports whose time zone is known: one to learn from, one to be tested with."""

import argparse
import csv
import os
import random

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--airports", required=True, help="the file of all airports")
parser.add_argument("--share", type=float, default=0.25, help="how many of them are for the test")
parser.add_argument("--out", required=True, help="the folder to write")
args = parser.parse_args()

with open(args.airports, newline="", encoding="utf-8") as file:
    airports = [row for row in csv.DictReader(file) if row["tzone"].startswith("America/")]
random.Random(7).shuffle(airports)
count = round(len(airports) * args.share)

os.makedirs(args.out, exist_ok=True)
for name, rows in (("test", airports[:count]), ("train", airports[count:])):
    with open(os.path.join(args.out, name + ".csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(airports[0]))
        writer.writeheader()
        writer.writerows(rows)
    Run.get_context().log(name, len(rows))
