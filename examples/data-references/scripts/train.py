"""A line from the delay at departure to that on arrival. The model is one file, at the path itself."""

import argparse
import json
import os

import numpy as np
import pandas as pd
from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--cleaned", required=True, help="the folder of delays.csv")
parser.add_argument("--out", required=True, help="the file to write")
args = parser.parse_args()

delays = pd.read_csv(os.path.join(args.cleaned, "delays.csv"))
slope, shift = np.polyfit(delays["dep_delay"], delays["arr_delay"], 1)
with open(args.out, "w", encoding="utf-8") as file:
    json.dump({"slope": slope, "shift": shift}, file)
run = Run.get_context()
run.log("slope", slope)
run.log("shift", shift)
