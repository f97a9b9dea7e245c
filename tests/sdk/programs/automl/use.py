"""The step behind automated machine learning: it asks the models, and checks their metrics by scikit-learn on the same folds."""

import json
import sys
from pathlib import Path

import joblib
import numpy
import pandas
from azureml.core import Model, Run
from azureml.train.automl.run import AutoMLRun
from sklearn.base import clone
from sklearn.metrics import accuracy_score, log_loss, r2_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from duto.automl.inside.folds import data_of
from duto.automl.inside.trials import Fitting, Job
from duto.spec.automl import settings_of

metrics, model, automl = sys.argv[1:]
run = Run.get_context()
table = run.input_datasets["penguins"].to_pandas_dataframe()

# The outputs of the step before.
found = json.loads(Path(metrics).read_text())
best = max(each["r2_score"][0] for each in found.values())
assert len(found) == 3 and 0.7 < best < 1, found
masses = table.dropna(subset=["Body Mass (g)"])
predicted = joblib.load(model).predict(masses.drop(columns=["Species"]))
assert r2_score(masses["Body Mass (g)"], predicted) > 0.75

# The run of its own: its best model, asked; and its metrics once more, fold by fold.
searched = AutoMLRun(run.experiment, automl)
searched.wait_for_completion()
child, fitted = searched.get_output()
assert child.id == searched.get_best_child().id
species = table.dropna(subset=["Species"]).reset_index(drop=True)
features, labels = species.drop(columns=["Species"]), species["Species"].to_numpy()
assert (fitted.predict(features) == labels).mean() > 0.8
assert fitted.predict_proba(features).shape == (len(features), 3)

for iteration in (0, 3):  # one of a learner, and the ensemble
    child, fitted = searched.get_output(iteration=iteration)
    logged = child.get_metrics()
    scores = {"AUC_weighted": [], "accuracy": [], "log_loss": []}
    for learned, compared in StratifiedKFold(3, shuffle=True, random_state=0).split(features, labels):
        again = clone(fitted).fit(features.iloc[learned], labels[learned])
        likely, truth = again.predict_proba(features.iloc[compared]), labels[compared]
        scores["AUC_weighted"].append(roc_auc_score(truth, likely, multi_class="ovr", average="weighted"))
        scores["accuracy"].append(accuracy_score(truth, again.predict(features.iloc[compared])))
        scores["log_loss"].append(log_loss(truth, likely))
    for name, values in scores.items():
        assert numpy.isclose(numpy.mean(values), logged[name], atol=1e-6), (iteration, name, values, logged[name])

# Forecasts: metrics once more by hand, on folds that roll back, with lags of forecasts where nothing else is known.
hours = run.input_datasets["hours"].to_pandas_dataframe()
hours = hours.groupby(["carrier", "time_hour"]).size().reset_index(name="flights")
hours = hours[hours["carrier"].isin(["DL", "MQ", "US"])]
asked = {
    "task": "forecasting",
    "primary_metric": "r2_score",
    "label_column_name": "flights",
    "training_data": "hours",
    "models": ["ElasticNet"],
    "n_cross_validations": 2,
    "forecasting": {
        "time_column_name": "time_hour",
        "forecast_horizon": 4,
        "time_series_id_column_names": ["carrier"],
        "target_lags": [1, 2],
    },
}
settings = settings_of(asked)
outcome = Fitting(settings, data_of(settings, hours), 1).run(
    Job(0, "ElasticNet", "enet", {"alpha": 0.1}, Path("forecast"))
)
assert not outcome.error, outcome.error
fitted = joblib.load("forecast/model.pkl")
errors = []
for back in (4, 0):
    series = [
        part.iloc[: len(part) - back] for _, part in hours.sort_values(["carrier", "time_hour"]).groupby("carrier")
    ]
    past = [
        part.iloc[:-4].assign(_lag_1=part["flights"].shift(1), _lag_2=part["flights"].shift(2)).dropna()
        for part in series
    ]
    learned = pandas.concat(past)
    by_hand = clone(fitted.model).fit(learned.drop(columns=["flights"]), learned["flights"].to_numpy(float))
    squares = []
    for part in series:
        known = list(part["flights"].iloc[:-4])
        for place in range(len(part) - 4, len(part)):
            row = part.iloc[[place]].assign(_lag_1=known[-1], _lag_2=known[-2])
            known.append(by_hand.predict(row)[0])
            squares.append((known[-1] - row["flights"].iloc[0]) ** 2)
    errors.append(numpy.mean(squares) ** 0.5)
assert numpy.isclose(numpy.mean(errors), outcome.metrics["root_mean_squared_error"]), (errors, outcome)
ahead = hours.groupby("carrier").tail(1).assign(time_hour=pandas.Timestamp("2013-06-06T10:00:00Z"))
values, frame = fitted.forecast(ahead.drop(columns=["flights"]), [numpy.nan, 7.0, numpy.nan])
assert values[1] == 7 and numpy.isfinite(values).all() and frame.index.names == ["time_hour", "carrier"], frame

# As it is registered.
made = searched.register_model(model_name="species", iteration=0)
assert (searched.model_id, made.run_id) == ("species", searched.get_output(iteration=0)[0].id)
registered = joblib.load(Model.get_model_path("species"))
assert (registered.predict(features) == searched.get_output(iteration=0)[1].predict(features)).all()
