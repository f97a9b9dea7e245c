"""Takes as long as it is told to."""

import argparse
import os
import sys
import time
from pathlib import Path

from pyspark import SparkContext

parser = argparse.ArgumentParser()
parser.add_argument("seconds", type=float)
for name in ("--birds", "--AZUREML_RUN_ID", "--AZUREML_RUN_TOKEN"):
    parser.add_argument(name)
given, _ = parser.parse_known_args()
assert os.environ["AZUREML_RUN_ID"] == given.AZUREML_RUN_ID and given.AZUREML_RUN_TOKEN, sys.argv
assert os.environ["MOOD"] == "patient" and list(Path(given.birds).glob("*.csv")), given.birds
context = SparkContext()
seconds = given.seconds
context.setJobDescription("waits")
context.parallelize([seconds, 0.0], 2).foreach(time.sleep)
