"""Train one model in rounds, so that its way can be drawn."""

import argparse
import json
import warnings
from pathlib import Path

import joblib
import pandas as pd
from azureml.core import Run
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = ["bill_length", "bill_depth", "flipper_length", "body_mass"]

parser = argparse.ArgumentParser()
parser.add_argument("--prepared", required=True, help="the folder of the prepared records")
parser.add_argument("--model", choices=["forest", "logistic"], required=True)
parser.add_argument("--rounds", type=int, default=20, help="trees of the forest, iterations of the regression")
parser.add_argument("--out", required=True, help="the folder to write")
args = parser.parse_args()


def make(rounds):
    """The model after so many rounds."""
    if args.model == "forest":
        return RandomForestClassifier(n_estimators=rounds, max_depth=4, random_state=7)
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=rounds, C=0.5))


run = Run.get_context()
table = pd.read_csv(Path(args.prepared) / "penguins.csv")
train, test = train_test_split(table, test_size=0.3, random_state=7, stratify=table["species"])
print(f"Training {args.model} on {len(train)} records, testing on {len(test)}.")

for rounds in range(1, args.rounds + 1):
    model = make(rounds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the first rounds are meant to be too few
        model.fit(train[FEATURES], train["species"])
    chances = model.predict_proba(test[FEATURES])
    accuracy = accuracy_score(test["species"], model.predict(test[FEATURES]))
    loss = log_loss(test["species"], chances, labels=list(model.classes_))
    run.log("accuracy", accuracy)
    run.log("loss", loss)
    if rounds == 1 or rounds % 5 == 0:
        print(f"round {rounds:3d}: accuracy {accuracy:.3f}, loss {loss:.3f}", flush=True)

facts = {
    "model": args.model,
    "accuracy": float(accuracy),
    "loss": float(loss),
    "labels": [str(label) for label in model.classes_],
    "true": [str(label) for label in test["species"]],
    "predicted": [str(label) for label in model.predict(test[FEATURES])],
}
for folder in (Path(args.out), Path("outputs")):
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")
    (folder / "facts.json").write_text(json.dumps(facts, indent=2))
run.tag("model", args.model)
