"""Which error says that a script was written for older packages, and the curated environment that would run it. Pure.

Of most of these names one release of one package took leave. Where a curated environment still has it, that is named; where none
has, what to write in its place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from duto.spec.curated import HEADLINES, OLD_SKLEARN, PYTORCH, SKLEARN, TENSORFLOW
from duto.spec.sentences import Said, said


@dataclass(frozen=True)
class Sign:
    """`error` is looked for in the line of the error; `thing` is what went, in words of the script (a group of `error`, if it
    names one); `since` the release; `now` what to write instead."""

    error: str
    thing: str
    since: str
    environment: str = ""
    now: str = ""


def _attribute(of: str, names: str) -> str:
    return rf"{of}' (?:object )?has no attribute '(?:{names})'"


def _keyword(call: str, names: str) -> str:
    return rf"\b(?:{call})(?:\.__init__)?\(\) got an unexpected keyword argument '(?:{names})'"


def _module(names: str) -> str:
    return rf"No module named '(?:{names})(?:\.[\w.]+)?'"


def _name(names: str, module: str) -> str:
    return rf"cannot import name '(?:{names})' from '(?:{module})'"


_FRAMES = "(?:DataFrame|Series|DataFrameGroupBy|SeriesGroupBy)"
_OLD_ALIASES = "float|int|bool|object|str|complex|long|unicode|bool8|typeDict"
SIGNS = (
    # numpy
    Sign(rf"module 'numpy' has no attribute '(?P<thing>{_OLD_ALIASES})'", "np.%s", "numpy 1.24", SKLEARN),
    Sign(r"`(?P<thing>np\.\w+)` was removed in the NumPy 2\.0 release", "%s", "numpy 2.0", SKLEARN),
    Sign(
        r"module 'numpy' has no attribute '(?P<thing>in1d|trapz|(?:cum)?product|alltrue|sometrue)'",
        "np.%s",
        "numpy 2",
        SKLEARN,
    ),
    Sign(
        r"setting an array element with a sequence. The requested array has an inhomogeneous shape",
        "an array of rows of unequal lengths",
        "numpy 1.24",
        SKLEARN,
    ),
    Sign(
        r"numpy\.dtype size changed|compiled using NumPy 1\.x cannot be run|numpy\.core\.multiarray failed to import",
        "what a package that was built for numpy 1 needs",
        "numpy 2.0",
        SKLEARN,
    ),
    # pandas
    Sign(
        _attribute(_FRAMES, "(?P<thing>append|iteritems|mad|lookup|tshift|slice_shift)"),
        ".%s() of a table",
        "pandas 2.0",
        SKLEARN,
    ),
    Sign(_attribute(_FRAMES, "(?P<thing>applymap|swapaxes|pad|backfill)"), ".%s() of a table", "pandas 3.0", SKLEARN),
    Sign(_attribute(_FRAMES, "ix"), "table.ix", "pandas 1.0", now=".loc or .iloc"),
    Sign(_attribute(_FRAMES, "(?:as_matrix|get_values)"), ".as_matrix() of a table", "pandas 1.0", now=".to_numpy()"),
    Sign(
        r"module 'pandas' has no attribute '(?P<thing>(?:U?Int|Float)64Index|datetime|np|SparseArray)'",
        "pd.%s",
        "pandas 2.0",
        SKLEARN,
    ),
    Sign(_name("(?P<thing>(?:U?Int|Float)64Index|datetime)", "pandas(?:.core.*)?"), "pandas.%s", "pandas 2.0", SKLEARN),
    Sign(
        _attribute("module 'pandas", "(?P<thing>Panel|rolling_mean|scatter_matrix)"),
        "pd.%s",
        "pandas 1.0",
        now="a table with an index of several levels",
    ),
    Sign(
        _keyword(
            "read_csv|read_table|read_excel",
            "(?P<thing>error_bad_lines|warn_bad_lines|squeeze|prefix|mangle_dupe_cols)",
        ),
        "%s= of pd.read_csv",
        "pandas 2.0",
        SKLEARN,
    ),
    Sign(_keyword(r"(?:\w+\.)?(?:to_csv)", "line_terminator"), "line_terminator= of to_csv", "pandas 2.0", SKLEARN),
    Sign(_keyword(rf"{_FRAMES}\.fillna|NDFrame\.fillna", "method"), "method= of fillna", "pandas 3.0", SKLEARN),
    Sign(_module(r"pandas\.util\.testing"), "pandas.util.testing", "pandas 2.0", SKLEARN),
    Sign(_name("(?P<thing>json_normalize)", "pandas.io.json(?:.*)?"), "pandas.io.json.%s", "pandas 2.0", SKLEARN),
    Sign(
        rf"\b(?P<thing>{_FRAMES}\.\w+)\(\) takes (?:from )?\d+ (?:to \d+ )?positional arguments? but",
        "%s() with arguments by their place",
        "pandas 2.0",
        SKLEARN,
    ),
    Sign(
        r"agg function failed \[how->(?P<thing>\w+),dtype->(?:object|str)\]",
        "%s() of groups that leaves out columns of text",
        "pandas 2.0",
        SKLEARN,
    ),
    Sign(
        r"dtype 'str' does not support operation '(?P<thing>\w+)'|Cannot perform reduction '(?P<other>\w+)' with string dtype",
        "%s() that leaves out columns of text",
        "pandas 2.0",
        SKLEARN,
    ),
    Sign(r"'(?P<thing>[MQYAHTSLUN])' is no longer supported for offsets", "the frequency '%s'", "pandas 3.0", SKLEARN),
    # scikit-learn
    Sign(_keyword("OneHotEncoder", "sparse"), "sparse= of OneHotEncoder", "scikit-learn 1.4", SKLEARN),
    Sign(
        _keyword(r"(?P<thing>Bagging\w+|AdaBoost\w+|CalibratedClassifierCV)", "base_estimator"),
        "base_estimator= of %s",
        "scikit-learn 1.4",
        SKLEARN,
    ),
    Sign(
        _keyword("(?P<thing>AgglomerativeClustering|FeatureAgglomeration)", "affinity"),
        "affinity= of %s",
        "scikit-learn 1.4",
        SKLEARN,
    ),
    Sign(
        r"^TypeError: (?:mean_squared\w+\(\) )?got an unexpected keyword argument 'squared'",
        "squared= of mean_squared_error",
        "scikit-learn 1.6",
        SKLEARN,
    ),
    Sign(
        _keyword("LogisticRegression(?:CV)?", "multi_class"),
        "multi_class= of LogisticRegression",
        "scikit-learn 1.8",
        SKLEARN,
    ),
    Sign(
        r"The '(?P<thing>\w+)' parameter of \w+ must be .*Got '(?:auto|deviance|log|none)' instead",
        "this value of %s",
        "scikit-learn 1.3 or 1.4",
        SKLEARN,
    ),
    Sign(
        r"The '(?P<thing>\w+)' parameter of \w+ must be .*Got '(?:mse|mae|ls|lad)' instead",
        "this value of %s",
        "scikit-learn 1.2",
        OLD_SKLEARN,
    ),
    Sign(_name("(?P<thing>if_delegate_has_method)", "sklearn.*"), "%s", "scikit-learn 1.3", SKLEARN),
    Sign(
        rf"(?:{_name('(?P<thing>plot_(?:confusion_matrix|roc_curve|precision_recall_curve|det_curve|partial_dependence))', 'sklearn.*')})",
        "%s",
        "scikit-learn 1.2",
        OLD_SKLEARN,
    ),
    Sign(
        _attribute(
            "sklearn[.]metrics(?:[.].*)?",
            "(?P<thing>plot_(?:confusion_matrix|roc_curve|precision_recall_curve|det_curve))",
        ),
        "%s",
        "scikit-learn 1.2",
        OLD_SKLEARN,
    ),
    Sign(
        r"`load_boston` has been removed|cannot import name 'load_boston'",
        "load_boston",
        "scikit-learn 1.2",
        OLD_SKLEARN,
    ),
    Sign(
        r"Feature names are only supported if all input features have string names",
        "columns of which some have no text for a name",
        "scikit-learn 1.2",
        OLD_SKLEARN,
    ),
    Sign(
        _attribute(r"'(?P<thing>\w+)", "get_feature_names"),
        "get_feature_names() of %s",
        "scikit-learn 1.2",
        OLD_SKLEARN,
    ),
    Sign(
        _keyword(
            r"(?P<thing>LinearRegression|Ridge\w*|Lasso\w*|ElasticNet\w*|BayesianRidge|ARDRegression|Lars\w*|OrthogonalMatchingPursuit\w*)",
            "normalize",
        ),
        "normalize= of %s",
        "scikit-learn 1.2",
        OLD_SKLEARN,
    ),
    Sign(
        _module(r"sklearn\.externals\.joblib") + "|" + _name("joblib", "sklearn.externals.*"),
        "sklearn.externals.joblib",
        "scikit-learn 0.23",
        now="import joblib",
    ),
    Sign(
        _module(r"sklearn\.externals\.six") + "|" + _name("six", "sklearn.externals.*"),
        "sklearn.externals.six",
        "scikit-learn 0.23",
        now="import six",
    ),
    Sign(
        _module(r"sklearn\.(?P<thing>cross_validation|grid_search|learning_curve)"),
        "sklearn.%s",
        "scikit-learn 0.20",
        now="sklearn.model_selection",
    ),
    Sign(
        _name("Imputer", "sklearn.preprocessing.*"), "Imputer", "scikit-learn 0.22", now="sklearn.impute.SimpleImputer"
    ),
    Sign(
        _name("jaccard_similarity_score", "sklearn.metrics.*"),
        "jaccard_similarity_score",
        "scikit-learn 0.23",
        now="jaccard_score",
    ),
    Sign(
        _module(
            r"(?P<thing>sklearn\.(?:ensemble\.(?:forest|gradient_boosting|bagging|weight_boosting)|tree\.tree|linear_model\.(?:logistic|base|stochastic_gradient|ridge)|preprocessing\.(?:data|label|imputation)|svm\.classes|neighbors\.(?:classification|regression)|cluster\.k_means_|metrics\.(?:classification|scorer)|utils\.testing|feature_selection\.base|decomposition\.pca))"
        ),
        "%s",
        "scikit-learn 0.24",
        now="the name without its last part, and models anew that were saved with it",
    ),
    Sign(
        _keyword("(?P<thing>KMeans|MiniBatchKMeans)", "n_jobs|precompute_distances"),
        "n_jobs= of %s",
        "scikit-learn 1.0",
        now="nothing in its place",
    ),
    Sign(
        _keyword(r"(?P<thing>\w+)", "min_impurity_split"),
        "min_impurity_split= of %s",
        "scikit-learn 1.0",
        now="min_impurity_decrease=",
    ),
    Sign(
        _keyword("(?P<thing>GridSearchCV|RandomizedSearchCV)", "iid"),
        "iid= of %s",
        "scikit-learn 0.24",
        now="nothing in its place",
    ),
    # lightgbm
    Sign(
        _keyword(r"LGBM\w+\.fit", "(?P<thing>early_stopping_rounds|verbose)"),
        "%s= of fit()",
        "lightgbm 4.0",
        SKLEARN,
    ),
    Sign(
        _keyword("train|cv", "(?P<thing>early_stopping_rounds|verbose_eval|evals_result|learning_rates)"),
        "%s= of train()",
        "lightgbm 4.0",
        SKLEARN,
    ),
    # scipy
    Sign(_name("(?P<thing>simps|trapz|cumtrapz)", "scipy.integrate.*"), "scipy.integrate.%s", "scipy 1.14", SKLEARN),
    Sign(
        _attribute("module 'scipy.integrate", "(?P<thing>simps|trapz|cumtrapz)"),
        "scipy.integrate.%s",
        "scipy 1.14",
        SKLEARN,
    ),
    Sign(
        _name("(?P<thing>hann|hamming|gaussian|blackman|bartlett|kaiser|boxcar|tukey)", "scipy.signal.*"),
        "scipy.signal.%s",
        "scipy 1.13",
        SKLEARN,
    ),
    Sign(
        _attribute("module 'scipy.signal", "(?P<thing>hann|hamming|gaussian|blackman|bartlett|kaiser|boxcar|tukey)"),
        "scipy.signal.%s",
        "scipy 1.13",
        SKLEARN,
    ),
    Sign(
        _name("(?P<thing>binom_test|median_absolute_deviation)", "scipy.stats.*"),
        "scipy.stats.%s",
        "scipy 1.12",
        SKLEARN,
    ),
    Sign(_keyword("(?P<thing>cg|bicg|bicgstab|gmres|minres)", "tol"), "tol= of %s", "scipy 1.14", SKLEARN),
    Sign(
        _name("(?P<thing>imread|imresize|imsave|comb|factorial|logsumexp)", "scipy.misc.*"),
        "scipy.misc.%s",
        "scipy 1.3",
        now="imageio, scipy.special",
    ),
    Sign(r"`(?P<thing>interp2d)` has been removed in SciPy", "scipy.interpolate.%s", "scipy 1.14", SKLEARN),
    Sign(
        r"cannot import name '(?P<thing>interp|mean|sqrt|array|log|randn)' from 'scipy'|[Mm]odule 'scipy' has no attribute '(?P<other>interp|mean|sqrt|array|log|randn)'",
        "scipy.%s",
        "scipy 1.12",
        SKLEARN,
    ),
    # matplotlib, pillow, seaborn
    Sign(
        _attribute("module 'matplotlib.cm", "(?P<thing>get_cmap|register_cmap)"),
        "matplotlib.cm.%s",
        "matplotlib 3.9",
        SKLEARN,
    ),
    Sign(r"'(?P<thing>seaborn(?:-[\w-]+)?)' is not a valid package style", "the style '%s'", "matplotlib 3.8", SKLEARN),
    Sign(_attribute("module 'PIL.Image", "(?P<thing>ANTIALIAS|LINEAR|CUBIC)"), "Image.%s", "pillow 10", SKLEARN),
    Sign(_attribute("'ImageDraw|'FreeTypeFont", "(?P<thing>textsize|getsize)"), "%s()", "pillow 10", SKLEARN),
    Sign(
        r"\b(?P<thing>countplot|barplot|boxplot|scatterplot|lineplot|pointplot|violinplot|lmplot|heatmap|regplot)\(\) takes (?:from )?\d+ (?:to \d+ )?positional arguments? but",
        "%s() of seaborn with arguments by their place",
        "seaborn 0.12",
        SKLEARN,
    ),
    # TensorFlow and Keras
    Sign(
        _module(r"tensorflow\.contrib") + "|" + _attribute("module 'tensorflow(?:[.]compat[.]v1)?", "contrib"),
        "tf.contrib",
        "tensorflow 2.0",
        now="what became of each part of it (tensorflow_addons, tf.keras)",
    ),
    Sign(
        _attribute(
            "module 'tensorflow",
            "(?P<thing>Session|placeholder|ConfigProto|global_variables_initializer|app|flags|get_variable|GPUOptions|InteractiveSession|reset_default_graph|layers|set_random_seed|log|to_float|logging|variable_scope)",
        ),
        "tf.%s",
        "tensorflow 2.0",
        now="import tensorflow.compat.v1 as tf; tf.disable_v2_behavior()",
    ),
    Sign(
        _module(
            r"(?P<thing>keras\.(?:utils\.(?:np_utils|vis_utils|generic_utils)|preprocessing\.text|layers\.core|wrappers\.scikit_learn)|tensorflow\.keras\.wrappers\.scikit_learn)"
        ),
        "%s",
        "Keras 3",
        TENSORFLOW,
    ),
    Sign(_name("(?P<thing>np_utils|vis_utils)", r"keras\.utils.*"), "keras.utils.%s", "Keras 3", TENSORFLOW),
    Sign(_name("(?P<thing>ImageDataGenerator)", r"keras\.preprocessing\.image.*"), "%s", "Keras 3", TENSORFLOW),
    Sign(
        _attribute("module 'keras[.](?:[\\w.]+[.])?layers", "experimental"),
        "keras.layers.experimental",
        "Keras 3",
        TENSORFLOW,
    ),
    Sign(
        r"Invalid filepath extension for saving|Keras 3 only supports V3",
        "models in folders (SavedModel)",
        "Keras 3",
        TENSORFLOW,
    ),
    Sign(
        r"Unrecognized keyword arguments passed to \w+: \{'(?P<thing>time_major|input_length|weights)'",
        "%s= of layers",
        "Keras 3",
        TENSORFLOW,
    ),
    Sign(
        _attribute("module 'keras[.][\\w.]*backend", "set_session"),
        "keras.backend.set_session",
        "tensorflow 2.0",
        now="tf.compat.v1.keras.backend.set_session",
    ),
    Sign(
        _module(r"keras\.engine(?:\.topology)?") + "|" + _name("BatchNormalization", r"keras\.layers\.normalization.*"),
        "this place of a layer",
        "Keras 2.4",
        now="from tensorflow.keras import layers",
    ),
    Sign(r"Argument\(s\) not recognized: \{'(?P<thing>lr)'", "%s= of optimizers", "Keras 3", TENSORFLOW),
    Sign(
        _attribute("'(?:Sequential|Functional|Model)", "(?P<thing>fit_generator|evaluate_generator|predict_generator)"),
        "%s()",
        "Keras 3",
        TENSORFLOW,
    ),
    Sign(
        _attribute("'Sequential", "(?P<thing>predict_classes|predict_proba)"),
        "%s()",
        "tensorflow 2.6",
        now="predict(x).argmax(axis=-1)",
    ),
    Sign(_attribute("module 'tensorflow", "(?P<thing>estimator)"), "tf.%s", "tensorflow 2.16", TENSORFLOW),
    # PyTorch
    Sign(r"Weights only load failed", "torch.load() of whole objects", "torch 2.6", PYTORCH),
    Sign(
        _module(r"torch\._six") + "|" + _name(".*", r"torch\._six.*"), "torch._six", "torch 2.0", now="collections.abc"
    ),
    Sign(
        _attribute("module 'torchvision.transforms.*", "Scale"),
        "transforms.Scale",
        "torchvision 0.13",
        now="transforms.Resize",
    ),
    # Python
    Sign(_module("(?P<thing>imp|distutils|asyncore|asynchat|smtpd)"), "%s", "Python 3.12", SKLEARN),
    Sign(_attribute("module 'configparser", "(?P<thing>SafeConfigParser)"), "%s", "Python 3.12", SKLEARN),
    Sign(
        r"cannot import name '(?P<thing>Mapping|MutableMapping|Iterable|Sequence|Callable|Hashable|Set)' from 'collections'|module 'collections' has no attribute '(?P<other>\w+)'",
        "collections.%s",
        "Python 3.10",
        now="collections.abc",
    ),
    Sign(
        _attribute("module 'inspect", "getargspec"), "inspect.getargspec", "Python 3.11", now="inspect.getfullargspec"
    ),
    Sign(_attribute("module 'time", "clock"), "time.clock", "Python 3.8", now="time.perf_counter"),
    Sign(_name("gcd", "fractions.*"), "fractions.gcd", "Python 3.9", now="math.gcd"),
    Sign(_module("pkg_resources"), "pkg_resources", "setuptools 81", now="setuptools<81 among the packages"),
    Sign(
        r"load\(\) missing 1 required positional argument: 'Loader'",
        "yaml.load() without a Loader",
        "PyYAML 6",
        now="yaml.safe_load",
    ),
    Sign(r"Missing parentheses in call to 'print'", "print without parentheses", "Python 3", now="print(...)"),
)
_COMPILED = tuple((re.compile(sign.error), sign) for sign in SIGNS)


def hint_of(error: str) -> Said | None:
    """What to say of the line of an error beside the line itself; None for one that is of no version."""
    for pattern, sign in _COMPILED:
        if found := pattern.search(error):
            names = [each for each in found.groupdict().values() if each]
            thing = sign.thing % names[0] if names else sign.thing
            if sign.environment:
                facts = {"environment": sign.environment, "has": HEADLINES[sign.environment]}
                return said("hint_curated", thing=thing, since=sign.since, **facts)
            return said("hint_gone", thing=thing, since=sign.since, now=sign.now)
    return None
