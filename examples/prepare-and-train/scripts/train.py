"""Learns the species from four measures, logs how well, and registers the model with its run."""

import argparse
import os

import joblib
import pandas as pd
from azureml.core import Run
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

parser = argparse.ArgumentParser()
parser.add_argument("--prepared", required=True, help="the folder of the prepared records")
parser.add_argument("--neighbours", type=int, default=3)
args = parser.parse_args()

run = Run.get_context()
table = pd.read_csv(os.path.join(args.prepared, "penguins.csv"))
train, test = train_test_split(table, test_size=0.3, random_state=7, stratify=table["species"])
features = ["bill_length", "bill_depth", "flipper_length", "body_mass"]
model = make_pipeline(StandardScaler(), KNeighborsClassifier(args.neighbours))
model.fit(train[features], train["species"])
accuracy = model.score(test[features], test["species"])
run.log("neighbours", args.neighbours)
run.log("accuracy", accuracy)
run.parent.tag("accuracy", f"{accuracy:.3f}")

os.makedirs("outputs", exist_ok=True)
joblib.dump(model, "outputs/model.joblib")
run.upload_file("outputs/model.joblib", "outputs/model.joblib")
registered = run.register_model(
    "penguin-species", model_path="outputs/model.joblib", tags={"accuracy": f"{accuracy:.3f}"}
)
print(f"Registered {registered.name}, version {registered.version}.")
