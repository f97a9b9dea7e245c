"""Errors of scripts that are older than their packages, each as those packages say it, and the environment that is named."""

from __future__ import annotations

import re

import pytest

from duto.spec.curated import HEADLINES, OLD_SKLEARN, PYTORCH, SKLEARN, TENSORFLOW
from duto.spec.sentences import said
from duto_agent.attempt.bindings import Bound
from duto_agent.attempt.causes import cause_of
from duto_agent.attempt.version_hints import SIGNS, hint_of
from duto_agent.build_job import _explained
from duto_agent.environments.builder import explain
from duto_agent.environments.pythons import Choice, Python
from tests.agent.specs import step_of


# As the newest packages said it, and where it ran: numpy 2, pandas 3, scikit-learn 1.9, lightgbm 4, scipy 1.17, Keras 3.
@pytest.mark.parametrize(
    ("environment", "error", "thing"),
    [
        (SKLEARN, "AttributeError: module 'numpy' has no attribute 'float'.", "numpy 1.24 no longer has np.float."),
        (SKLEARN, "AttributeError: module 'numpy' has no attribute 'bool8'. Did you mean: 'bool'?", "np.bool8"),
        (SKLEARN, "AttributeError: `np.Inf` was removed in the NumPy 2.0 release. Use `np.inf` instead.", "has np.Inf"),
        (SKLEARN, "AttributeError: module 'numpy' has no attribute 'trapz'. Did you mean: 'trace'?", "np.trapz"),
        (SKLEARN, "ValueError: setting an array element with a sequence. The requested array has an inhomogeneous shape after 1 dimensions.", "unequal lengths"),
        (SKLEARN, "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96", "built for numpy 1"),
        (SKLEARN, "AttributeError: 'DataFrame' object has no attribute 'append'. Did you mean: '_append'?", ".append() of a table"),
        (SKLEARN, "AttributeError: 'Series' object has no attribute 'iteritems'", ".iteritems()"),
        (SKLEARN, "AttributeError: module 'pandas' has no attribute 'Int64Index'", "pd.Int64Index"),
        (SKLEARN, "TypeError: read_csv() got an unexpected keyword argument 'error_bad_lines'", "error_bad_lines= of pd.read_csv"),
        (SKLEARN, "ModuleNotFoundError: No module named 'pandas.util.testing'", "pandas.util.testing"),
        (SKLEARN, "TypeError: DataFrame.drop() takes from 1 to 2 positional arguments but 3 were given", "DataFrame.drop()"),
        (SKLEARN, "TypeError: agg function failed [how->mean,dtype->object]", "mean() of groups"),
        (SKLEARN, "TypeError: OneHotEncoder.__init__() got an unexpected keyword argument 'sparse'", "sparse= of OneHotEncoder"),
        (SKLEARN, "TypeError: BaggingClassifier.__init__() got an unexpected keyword argument 'base_estimator'", "base_estimator= of BaggingClassifier"),
        (SKLEARN, "TypeError: got an unexpected keyword argument 'squared'", "squared= of mean_squared_error"),
        (SKLEARN, "sklearn.utils._param_validation.InvalidParameterError: The 'max_features' parameter of RandomForestRegressor must be an int in the range [1, inf), a float in the range (0.0, 1.0], a str among {'sqrt', 'log2'} or None. Got 'auto' instead.", "this value of max_features"),
        (OLD_SKLEARN, "sklearn.utils._param_validation.InvalidParameterError: The 'criterion' parameter of RandomForestRegressor must be a str among {'poisson', 'squared_error'}. Got 'mse' instead.", "this value of criterion"),
        (OLD_SKLEARN, "ImportError: cannot import name 'plot_confusion_matrix' from 'sklearn.metrics' (/e/sklearn/metrics/__init__.py)", "scikit-learn 1.2 no longer has plot_confusion_matrix"),
        (OLD_SKLEARN, "ImportError: `load_boston` has been removed from scikit-learn since version 1.2.", "load_boston"),
        (OLD_SKLEARN, "AttributeError: 'OneHotEncoder' object has no attribute 'get_feature_names'", "get_feature_names() of OneHotEncoder"),
        (OLD_SKLEARN, "TypeError: Ridge.__init__() got an unexpected keyword argument 'normalize'", "normalize= of Ridge"),
        (SKLEARN, "TypeError: LGBMClassifier.fit() got an unexpected keyword argument 'early_stopping_rounds'", "early_stopping_rounds= of fit()"),
        (SKLEARN, "TypeError: train() got an unexpected keyword argument 'verbose_eval'", "verbose_eval= of train()"),
        (SKLEARN, "ImportError: cannot import name 'simps' from 'scipy.integrate' (/e/scipy/integrate/__init__.py)", "scipy.integrate.simps"),
        (SKLEARN, "AttributeError: module 'matplotlib.cm' has no attribute 'get_cmap'", "matplotlib.cm.get_cmap"),
        (SKLEARN, "AttributeError: module 'PIL.Image' has no attribute 'ANTIALIAS'", "Image.ANTIALIAS"),
        (SKLEARN, "TypeError: countplot() takes from 0 to 1 positional arguments but 2 were given", "countplot() of seaborn"),
        (TENSORFLOW, "ModuleNotFoundError: No module named 'keras.utils.np_utils'", "keras.utils.np_utils"),
        (TENSORFLOW, "ValueError: Argument(s) not recognized: {'lr': 0.1}", "lr= of optimizers"),
        (TENSORFLOW, "AttributeError: 'Sequential' object has no attribute 'fit_generator'", "fit_generator()"),
        (TENSORFLOW, "ImportError: cannot import name 'np_utils' from 'keras.utils' (/e/keras/utils/__init__.py)", "keras.utils.np_utils"),
        (TENSORFLOW, "ModuleNotFoundError: No module named 'tensorflow.keras.wrappers.scikit_learn'", "tensorflow.keras.wrappers.scikit_learn"),
        (TENSORFLOW, "AttributeError: module 'keras._tf_keras.keras.layers' has no attribute 'experimental'", "keras.layers.experimental"),
        (TENSORFLOW, "ValueError: Invalid filepath extension for saving. Please add either a `.keras` extension", "SavedModel"),
        (SKLEARN, "TypeError: dtype 'str' does not support operation 'mean'", "mean() that leaves out columns of text"),
        (SKLEARN, "AttributeError: Module 'scipy' has no attribute 'mean'", "scipy.mean"),
        (SKLEARN, "NotImplementedError: `interp2d` has been removed in SciPy 1.14.0.", "scipy.interpolate.interp2d"),
        (PYTORCH, "_pickle.UnpicklingError: Weights only load failed. This file can still be loaded", "torch.load()"),
        (SKLEARN, "ModuleNotFoundError: No module named 'distutils'", "distutils"),
        ("", "ImportError: cannot import name 'joblib' from 'sklearn.externals' (/e/sklearn/externals/__init__.py)", "Write in its place: import joblib."),
        ("", "ModuleNotFoundError: No module named 'sklearn.externals.six'", "import six"),
        ("", "ModuleNotFoundError: No module named 'sklearn.cross_validation'", "sklearn.model_selection"),
        ("", "ImportError: cannot import name 'Imputer' from 'sklearn.preprocessing' (/e)", "SimpleImputer"),
        ("", "AttributeError: 'DataFrame' object has no attribute 'ix'", ".loc"),
        ("", "ModuleNotFoundError: No module named 'tensorflow.contrib'", "tf.contrib"),
        ("", "AttributeError: module 'tensorflow' has no attribute 'Session'", "tensorflow.compat.v1"),
        ("", "ImportError: cannot import name 'Mapping' from 'collections' (/usr/lib/python3.11/collections/__init__.py)", "collections.abc"),
        ("", "AttributeError: module 'time' has no attribute 'clock'", "time.perf_counter"),
        ("", "TypeError: load() missing 1 required positional argument: 'Loader'", "yaml.safe_load"),
        ("", "SyntaxError: Missing parentheses in call to 'print'. Did you mean print(...)?", "print(...)"),
    ],
)  # fmt: skip
def test_what_a_newer_package_has_no_more_names_the_environment_that_has_it(
    environment: str, error: str, thing: str
) -> None:
    hint = hint_of(error)
    assert hint is not None and thing in hint
    assert (f"'{environment}' (Python 3.11, {HEADLINES[environment]})" if environment else "nor has any") in hint


@pytest.mark.parametrize(
    "error",
    [
        "ValueError: no", "AttributeError: 'Own' object has no attribute 'append'", "TypeError: fit() got an unexpected keyword argument 'verbose'",
        "ModuleNotFoundError: No module named 'torch'", "ModuleNotFoundError: No module named 'tensorflow'", "AttributeError: module 'numpy' has no attribute 'flaot'",
        "TypeError: own() takes 1 positional argument but 2 were given", "KeyError: 'np.float'", "TypeError: XGBModel.fit() got an unexpected keyword argument 'early_stopping_rounds'", "",
    ],
)  # fmt: skip
def test_other_errors_have_no_hint(error: str) -> None:
    assert hint_of(error) is None


def test_the_hint_stands_with_the_error_and_its_line() -> None:
    frame = {"file": "train.py", "line": 3, "text": "AttributeError: module 'numpy' has no attribute 'float'."}
    cause = cause_of({"exit_code": 1, "traceback": frame}, step_of({}), Bound({}, {}))
    assert cause.code == "user_error" and cause.message is not None
    assert cause.message.startswith(
        "AttributeError: module 'numpy' has no attribute 'float' (train.py, line 3). The script is"
    )
    assert [getattr(each, "code", "") for each in cause.message.facts.values()] == ["failed_at", "hint_curated"]


def test_each_sign_says_where_it_runs_or_what_to_write() -> None:
    assert len(SIGNS) >= 30
    for sign in SIGNS:
        assert bool(sign.environment) != bool(sign.now), sign
        assert not sign.environment or sign.environment in HEADLINES
        assert bool(re.compile(sign.error).groupindex) == ("%s" in sign.thing), sign


def test_an_old_version_that_cannot_be_installed_names_the_environment_that_serves() -> None:
    other = said("other_python", asked="3.6", used="3.11.7")
    choice = Choice(Python("/usr/bin/python3", "3.11.7"), other)
    log = "× Failed to download and build `scikit-learn==0.22.1`"
    found = _explained(explain(log), choice)
    assert found.startswith("The package 'scikit-learn==0.22.1' could not be installed. Python 3.6 is not on this host")
    assert found.endswith(f"the curated environment '{SKLEARN}' (Python 3.11, {HEADLINES[SKLEARN]}).")
    assert _explained(said("not_installed", name="own==1"), Choice(choice.python)) == said(
        "not_installed", name="own==1"
    )
    assert _explained(said("no_index"), choice).code == "no_index"
    log = """error: No solution found when resolving dependencies
  cause: Because tensorflow>=1.12.0,<=1.12.3 has no wheels with a matching Python ABI tag (e.g., `cp311`)
         And because you require tensorflow==1.12.*, we can conclude that your requirements are unsatisfiable."""
    found = _explained(explain(log), choice)
    assert found.startswith("The packages do not fit together: Because tensorflow>=1.12.0,<=1.12.3 has no wheels")
    assert f"an old tensorflow there is the curated environment '{TENSORFLOW}'" in found
