"""Tell the species from four measures."""

import argparse
from pathlib import Path

import joblib
import pandas as pd
from azureml.core import Run
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

parser = argparse.ArgumentParser()
parser.add_argument("--prepared", required=True, help="the folder of the complete records")
parser.add_argument("--model", required=True, help="the folder to write")
args = parser.parse_args()

table = pd.read_csv(Path(args.prepared) / "complete.csv")
train, test = train_test_split(table, test_size=0.3, random_state=7, stratify=table["Species"])
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
model.fit(train.drop(columns="Species"), train["Species"])
accuracy = model.score(test.drop(columns="Species"), test["Species"])

folder = Path(args.model)
folder.mkdir(parents=True, exist_ok=True)
joblib.dump(model, folder / "model.joblib")
print(f"Accuracy {accuracy:.3f} on {len(test)} records.")
Run.get_context().log("accuracy", accuracy)
