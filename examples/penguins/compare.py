"""Put the models beside each other: a row and a confusion matrix for each, one table, one image."""

import argparse
import json
from pathlib import Path

import matplotlib
from azureml.core import Run
from sklearn.metrics import confusion_matrix

matplotlib.use("Agg")
from matplotlib import pyplot as plt

parser = argparse.ArgumentParser()
parser.add_argument("--models", nargs="+", required=True, help="the folders of the trained models")
args = parser.parse_args()

run = Run.get_context()
models = [json.loads((Path(folder) / "facts.json").read_text()) for folder in args.models]
models.sort(key=lambda model: -model["accuracy"])

figure, axes = plt.subplots(1, len(models), figsize=(4.5 * len(models), 4.2), squeeze=False)
for place, model in enumerate(models):
    axis = axes[0][place]
    run.log_row("models", model=model["model"], accuracy=model["accuracy"], loss=model["loss"])
    labels = model["labels"]
    matrix = confusion_matrix(model["true"], model["predicted"], labels=labels)
    run.log_confusion_matrix(
        f"confusion {model['model']}",
        {
            "schema_type": "confusion_matrix",
            "schema_version": "v1",
            "data": {"class_labels": labels, "matrix": [[int(cell) for cell in row] for row in matrix]},
        },
    )
    axis.imshow(matrix, cmap="Blues")
    axis.set_title(f"{model['model']}: {model['accuracy']:.1%}")
    axis.set_xticks(range(len(labels)))
    axis.set_xticklabels(labels, rotation=30)
    axis.set_yticks(range(len(labels)))
    axis.set_yticklabels(labels)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    for row in range(len(labels)):
        for column in range(len(labels)):
            dark = matrix[row, column] > matrix.max() / 2
            axis.text(column, row, matrix[row, column], ha="center", va="center", color="white" if dark else "black")
figure.tight_layout()

run.log_table(
    "comparison",
    {
        "model": [model["model"] for model in models],
        "accuracy": [round(model["accuracy"], 4) for model in models],
        "loss": [round(model["loss"], 4) for model in models],
    },
)
run.log_image("confusion", plot=figure)

best = models[0]
Path("outputs").mkdir(exist_ok=True)
Path("outputs", "best.json").write_text(json.dumps({key: best[key] for key in ("model", "accuracy", "loss")}, indent=2))
run.tag("best", best["model"])
if hasattr(run, "parent"):  # a run of its own has none, an offline run not even the member
    run.parent.log("best accuracy", best["accuracy"])
    run.parent.tag("best", best["model"])
print(f"The best model is {best['model']} with an accuracy of {best['accuracy']:.1%}.")
