"""Data that are odd, and searches that end early, in the environment of a search: each is searched, or refused with the column's
name; what was found stays."""

import json
import os
import signal
import tempfile
import time
from pathlib import Path

import joblib
import numpy
import pandas
from azureml.core import Run
from sklearn import metrics as reference

from duto.automl.inside import metrics
from duto.automl.inside.driver import Driver
from duto.automl.inside.folds import data_of
from duto.automl.inside.pool import Pool
from duto.automl.inside.search import Search
from duto.automl.inside.trials import Fitting, Job
from duto.spec.automl import LEARNERS, settings_of
from duto.spec.status import COMPLETED, TERMINAL

PRIMARY = {"classification": "accuracy"}


def settings(task="classification", **more):
    primary = PRIMARY.get(task, "normalized_root_mean_squared_error")
    given = {
        "task": task,
        "primary_metric": primary,
        "label_column_name": "y",
        "training_data": "t",
        "models": ["LightGBM"],
    }
    return settings_of({**given, **more})


def frame(labels, **columns):
    """Two numbers and a category, with these labels."""
    count = len(labels)
    chance = numpy.random.default_rng(0)
    own = {"a": chance.normal(size=count), "b": numpy.arange(count) % 7, "c": numpy.resize(["x", "y", "z"], count)}
    return pandas.DataFrame({**own, **columns, "y": labels})


def tried(wanted, table, learners=(), validation=None):
    """The fitting and the metrics of one trial for each learner; none fails."""
    data = data_of(wanted, table, validation)
    fitting = Fitting(wanted, data, 1)
    names = list(learners) or list(wanted.learners)
    search = Search(names, fitting.task, fitting.shape, 5)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in names:
            asked = search.propose()
            job = Job(0, wanted.learners[asked.learner], asked.learner, asked.config, Path(folder))
            outcome = fitting.run(job)
            assert not outcome.error, (asked.learner, outcome.error)
            assert numpy.isfinite(list(outcome.metrics.values())).all(), outcome.metrics
            found[asked.learner] = (outcome.metrics, joblib.load(job.target / "model.pkl"))
    return fitting, found


def odd_data():
    every = {"classification": list(LEARNERS["classification"])}
    # A class of one row is learned from, and not compared on; values that are new at prediction are no error.
    for learner in ("lgbm", "xgboost", "lrl1"):
        wanted = settings(models=every["classification"], n_cross_validations=3)
        fitting, found = tried(wanted, frame(["p"] * 11 + ["q"]), [learner])
        assert any("not compared on" in note for note in fitting.data.notes), fitting.data.notes
        assert all({"p", "q"} == set(fitting.data.labels[learned]) for learned, _ in fitting.data.folds)
        new = frame(["p"] * 3).drop(columns="y").assign(c=["never seen", None, "x"])
        assert set(found[learner][1].predict(new)) <= {"p", "q"}
    # Gaps among labels, categories, infinite features, odd names, dates, lists.
    dates = pandas.date_range("2020-01-01", periods=24).date
    for labels in (["é", None, "b c"] * 8, pandas.Categorical(["u", "v"] * 12)):
        table = frame(labels, day=dates, lists=[[1]] * 24, endless=[numpy.inf, 1.0, 2.0, -1e300] * 6, same=1)
        fitting, found = tried(settings(n_cross_validations=2), table.rename(columns={"a": 'a[0], <"b">'}))
        answer = " ".join([*fitting.data.notes, *fitting.notes])
        assert all(name in answer for name in ("'lists'", "'endless' holds", "'same'")), answer
        assert "'day'" not in answer, answer
        assert set(found["lgbm"][1].predict(table.rename(columns={"a": 'a[0], <"b">'}))) <= set(table["y"].dropna())
    # A table whose types nobody has looked at: numbers and dates as texts, codes that begin by a zero, and what is said to be none.
    typed = frame([float(n) for n in range(24)], day=dates, code=[f"0{n % 5}" for n in range(24)], said=["7", "8"] * 12)
    texts = typed.astype(str)
    texts.loc[3, "a"] = texts.loc[5, "y"] = ""
    asked = {
        "task": "regression",
        "n_cross_validations": 2,
        "featurization": {"column_purposes": {"said": "Categorical"}},
    }
    fitting, found = tried(settings(**asked), texts)
    answer = " ".join([*fitting.data.notes, *fitting.notes])
    assert "all numbers are taken as such: a, b, y." in answer and "'day' holds texts that are all dates" in answer, (
        answer
    )
    likely = found["lgbm"][1].predict(texts.drop(columns="y"))
    assert numpy.allclose(
        likely, found["lgbm"][1].predict(typed.assign(a=typed["a"].where(typed.index != 3), day=dates))
    )
    assert fitting.shape == (23, tried(settings(**asked), typed)[0].shape[1])
    # What no trial could do is told of once, with the column.
    numbers, classes = [float(n) for n in range(24)], ["p", "q"] * 12
    table = frame(classes, w=1.0, s=[1, 0] * 12)
    twice = table.copy()
    twice.columns = ["a", "a", "c", "w", "s", "y"]
    weighted, parted = {"weight_column_name": "w"}, {"cv_split_column_names": ["s"]}
    for more, given, other, text in (
        ({}, twice, None, "two columns 'a'"),
        ({}, table.rename(columns={"a": 0}), None, "a column 0: names"),
        ({}, frame(["p", 1] * 6), None, "several kinds (int, str)"),
        ({}, frame([1.5, 2.5] * 6), None, "holds 1.5, a number with a fraction"),
        ({}, frame(["p"] * 6), None, "holds one class alone"),
        ({}, frame([None] * 6), None, "no row with a label"),
        ({}, table, table.drop(columns="c"), "validation_data has no column 'c'"),
        ({}, table, table.assign(a="text"), "'a' of training_data holds numbers and of validation_data"),
        ({}, table.assign(y="p"), table, "A fold learns from one class"),
        (weighted, table.assign(w="x"), None, "'w' holds no numbers"),
        (weighted, table.assign(w=-1.0), None, "'w' holds gaps, infinite numbers or numbers below 0"),
        (weighted, table.assign(w=0.0), None, "'w' holds nothing but 0"),
        (parted, table.assign(s=1), None, "'s' splits rows by 1"),
        ({"task": "regression"}, frame([numpy.inf, *numbers]), None, "1 infinite labels"),
        ({"task": "regression"}, frame([5.0] * 9), None, "one number alone"),
        ({"task": "regression"}, frame([5.0]), None, "one number alone"),
        ({"task": "regression"}, frame(classes), None, "holds no numbers"),
        (
            {"task": "regression", "primary_metric": "normalized_root_mean_squared_log_error"},
            frame([-1.0, *numbers]),
            None,
            "choose another primary_metric",
        ),
    ):
        try:
            wanted = settings(**more, **({"validation_data": "v"} if other is not None else {}))
            data_of(wanted, given, other)
        except ValueError as error:
            assert text in str(error), (text, error)
        else:
            raise AssertionError(f"nothing was said of {text!r}")


def odd_forecasts():
    """Times that are none, series that overlap, and what a model of lags is asked for afterwards."""
    days = pandas.date_range("2020-01-01", periods=20)
    table = pandas.concat(
        [pandas.DataFrame({"day": days, "store": store, "y": numpy.arange(20.0) + n}) for n, store in enumerate("AB")],
        ignore_index=True,
    )
    parted = {"time_column_name": "day", "forecast_horizon": 2, "time_series_id_column_names": ["store"]}
    asked = {
        "task": "forecasting",
        "models": ["ElasticNet"],
        "n_cross_validations": 2,
        "forecasting": {**parted, "target_lags": [1]},
    }
    later = table.assign(day=table["day"] + pandas.Timedelta(days=20))
    for given, other, text in (
        (table.assign(day=range(40)), None, "'day' holds numbers and no times"),
        (table.assign(day=table["day"].where(table["y"] > 3)), None, "'day' holds 7 gaps"),
        (table.assign(day="soon"), None, "'day' holds no times"),
        (table.assign(store=table["store"].where(table["y"] > 3)), None, "tells series apart, holds 7 gaps"),
        (table.assign(store="A"), None, "is there twice in the series"),
        (later, table, "a forecast is compared on what lies behind"),
        (table.head(3), None, "let forecast_horizon be smaller"),
    ):
        more = {"validation_data": "v", "n_cross_validations": None} if other is not None else {}
        try:
            data_of(settings(**{**asked, **more}), given, other)
        except ValueError as error:
            assert text in str(error), (text, error)
        else:
            raise AssertionError(f"nothing was said of {text!r}")
    tried(settings(**{**asked, "n_cross_validations": None, "validation_data": "v"}), table, ["enet"], later)
    model = tried(settings(**asked), table.sample(frac=1, random_state=0), ["enet"])[1]["enet"][1]
    wanted = later.drop(columns="y").groupby("store").head(2)
    found = model.predict(wanted)
    assert numpy.isfinite(found).all()
    shuffled = wanted.sample(frac=1, random_state=1)
    assert numpy.allclose(model.predict(shuffled), pandas.Series(found, wanted.index)[shuffled.index])
    assert numpy.allclose(model.predict(wanted.set_index(["day", "store"])), found)
    for given, known, text in (
        (None, None, "needs a frame"),
        (wanted.drop(columns="store"), None, "no column 'store'"),
        (table.drop(columns="y"), None, "the model has learned up to 2020-01-20"),
        (wanted.assign(day=None), None, "'day' has gaps"),
        (wanted, [1.0], "y_pred has 1 values for 4 rows"),
    ):
        try:
            model.forecast(given, known)
        except ValueError as error:
            assert text in str(error), (text, error)
        else:
            raise AssertionError(f"nothing was said of {text!r}")


def odd_metrics():
    """Against scikit-learn, asked one by one."""
    chance = numpy.random.default_rng(1)
    classes = numpy.array(["a", "b", "c"])
    truth = chance.choice(classes, 40)
    likely = chance.dirichlet([1, 1, 1], 40)
    predicted, weights = classes[likely.argmax(axis=1)], chance.uniform(1, 2, 40)
    for given in (None, weights):
        found = metrics.classification(truth, predicted, likely, classes, given)
        for average in ("macro", "weighted"):
            area = reference.roc_auc_score(truth, likely, multi_class="ovr", average=average, sample_weight=given)
            assert numpy.isclose(found[f"AUC_{average}"], area)
        binary = (truth[:, None] == classes).astype(int)
        area = reference.roc_auc_score(
            binary.ravel(), likely.ravel(), sample_weight=None if given is None else given.repeat(3)
        )
        assert numpy.isclose(found["AUC_micro"], area)
        assert numpy.isclose(found["log_loss"], reference.log_loss(truth, likely, sample_weight=given))
        recalls = reference.recall_score(truth, predicted, average="macro", sample_weight=given)
        assert numpy.isclose(found["norm_macro_recall"], max(0, (recalls - 1 / 3) / (2 / 3)))
        counts = {name: (truth == name).sum() for name in classes}
        each = numpy.array([counts[name] for name in truth]) * (1 if given is None else given)
        right = (truth == predicted).astype(float)
        assert numpy.isclose(found["weighted_accuracy"], numpy.average(right, weights=each))
    # Two classes, then a class that is in no row of the fold: no area of it, and a loss of all three.
    binary = metrics.classification(truth[truth != "c"], predicted[truth != "c"], likely[truth != "c"], classes)
    assert numpy.isclose(
        binary["log_loss"], reference.log_loss(truth[truth != "c"], likely[truth != "c"], labels=list(classes))
    )
    areas = [
        reference.roc_auc_score(truth[truth != "c"] == name, likely[truth != "c", n])
        for n, name in ((0, "a"), (1, "b"))
    ]
    assert numpy.isclose(binary["AUC_macro"], numpy.mean(areas))
    alone = metrics.classification(truth[truth == "a"], predicted[truth == "a"], likely[truth == "a"], classes)
    assert "AUC_weighted" not in alone and "accuracy" in alone
    # Huge numbers, one row, a label of 0, predictions that are all the same.
    huge, guess = numpy.array([1e150, -1e150, 3e150]), numpy.array([1e150, 1e150, 1e150])
    found = metrics.regression(huge, guess, (-1e150, 3e150))
    assert numpy.isclose(found["root_mean_squared_error"], reference.mean_squared_error(huge, guess) ** 0.5)
    assert numpy.isclose(found["r2_score"], reference.r2_score(huge, guess)) and found["spearman_correlation"] == 0
    assert "root_mean_squared_log_error" not in found and "mean_absolute_percentage_error" in found
    assert "root_mean_squared_error" not in metrics.regression(huge * 1e50, guess, (-1e200, 3e200))
    found = metrics.regression(numpy.array([0.0]), numpy.array([-2.0]), (0.0, 4.0))
    assert {"r2_score", "mean_absolute_percentage_error"}.isdisjoint(found) and found[
        "normalized_mean_absolute_error"
    ] == 0.5
    assert found["root_mean_squared_log_error"] == 0


class Once:
    """A search of a step's own run, in a folder that goes."""

    def __init__(self, run, table, folder, **more):
        self.settings = settings(n_cross_validations=2, enable_early_stopping=False, **more)
        self.pool = Pool(self.settings, folder / "data", 1, self.settings.max_concurrent_iterations)
        data = data_of(self.settings, table)
        self.fitting = Fitting(self.settings, data, 1)
        joblib.dump(data, folder / "data")
        search = Search(list(self.settings.learners), self.fitting.task, self.fitting.shape, 100)
        self.driver = Driver(self.settings, run, search, self.pool, folder, list(map(str, data.features.columns)))
        self.outputs = {name: folder / name for name in self.settings.outputs}


def early_ends(run):
    """`run` is a run to which trials belong."""
    table = frame(["p", "q", "p"] * 20)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        # A driver that is gone amid its work leaves what has ended. The next one goes on from there.
        both = {"models": ["LightGBM", "RandomForest"], "max_concurrent_iterations": 2}
        first = Once(run, table, folder, iterations=40, **both)
        first.driver._search(2)
        proposal = first.driver.search.propose()
        first.driver._start("LightGBM", proposal.learner, proposal.config, proposal)
        first.pool.stop("the driver is gone")
        made = {"model": {"kind": "model"}, "metrics": {"kind": "metrics"}, "second": {"kind": "model", "iteration": 1}}
        (folder / "again").mkdir()
        again = Once(run, table, folder / "again", iterations=4, outputs=made, **both)
        assert again.driver.go(again.outputs) == 0
        assert sorted(again.driver.trials) == [0, 1, 3, 4], sorted(again.driver.trials)
        children = {child.get_properties()["iteration"]: child for child in run.get_children()}
        assert sorted(children) == ["0", "1", "2", "3", "4"] and children["2"].get_status() == "Failed"
        assert len(json.loads(again.outputs["metrics"].read_text())) == 4
        assert joblib.load(again.outputs["second"]).predict(table).shape == (60,)

        # A process that is killed, and one that takes too long, cost their trial alone; then the time is over.
        def going(name, before=lambda once: None, **more):
            (folder / name).mkdir()
            with run.child_run(name) as below:
                once = Once(below, table, folder / name, models=["LightGBM"], **more)
                before(once)
                began = time.monotonic()
                code = once.driver.go({})
                return code, time.monotonic() - began, list(below.get_children())

        code, _, below = going("long", iterations=1, iteration_timeout_minutes=1e-3)
        assert code == 1 and [child.get_status() for child in below] == ["Failed"]
        assert "iteration_timeout_minutes" in str(below[0].get_details()["error"])

        def strike(once):
            start = once.pool.start

            def struck(job):
                start(job)
                if job.number == 1:
                    [seat] = [each for each in once.pool._seats if each is not None and each.job is job]
                    os.kill(seat.process.pid, signal.SIGKILL)

            once.pool.start = struck

        code, _, below = going("struck", strike, iterations=3)
        states = [child.get_status() for child in reversed(below)]
        assert code == 0 and states == ["Completed", "Failed", "Completed"], states
        code, seconds, below = going("time", iterations=1000, experiment_timeout_minutes=2.5 / 60)
        states = {child.get_status() for child in below}
        assert code == 0 and 2.5 <= seconds < 15 and COMPLETED in states and states <= TERMINAL, (seconds, states)
        code, _, below = going("enough", iterations=50, experiment_exit_score=0.01)
        assert code == 0 and len(below) == 1
        # A learner whose trials all fail is left, and the search goes on.
        search = Search(["lgbm", "rf"], again.fitting.task, again.fitting.shape, 100)
        for _ in range(20):
            asked = search.propose()
            search.learn(asked, None if asked.learner == "lgbm" else 0.5, 0.1)
        assert search.learners["lgbm"].tried == 3 and search.learners["rf"].tried == 17


if __name__ == "__main__":  # processes of trials import it once more
    odd_data()
    odd_forecasts()
    odd_metrics()
    early_ends(Run.get_context())
