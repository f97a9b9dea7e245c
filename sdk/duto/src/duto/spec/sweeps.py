"""A sweep: which hyperparameters are tried, by what metric trials are compared, and when it is enough.

Pure, and shared: programs are told what is wrong before anything is sent, the studio reads the same document. What a
hyperparameter may be is one of ten expressions, each of which turns a number between 0 and 1 into a value: its quantile
function. Random sampling draws that number, a Bayesian search works in the space of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import NormalDist
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from duto.spec.values import Step

SAMPLINGS = ("random", "grid", "bayesian")
POLICIES = ("none", "bandit", "median_stopping", "truncation_selection")
GOALS = ("maximize", "minimize")
# By expression what it takes, in this order.
EXPRESSIONS: Mapping[str, Tuple[str, ...]] = {
    "choice": ("options",),
    "randint": ("upper",),
    "uniform": ("min_value", "max_value"),
    "quniform": ("min_value", "max_value", "q"),
    "loguniform": ("min_value", "max_value"),
    "qloguniform": ("min_value", "max_value", "q"),
    "normal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "lognormal": ("mu", "sigma"),
    "qlognormal": ("mu", "sigma", "q"),
}
FINITE = ("choice", "randint", "quniform", "qloguniform")
MOST_TRIALS = 1000
MOST_PARENTS = 5
# Larger exponents than this are no numbers any more.
LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class Hyperparameter:
    """One argument of the script and the values that it may have."""

    name: str
    expression: str
    values: Tuple[Any, ...]

    @property
    def option(self) -> str:
        """What stands before the value on the command line."""
        return self.name if self.name.startswith("-") else f"--{self.name}"

    @property
    def count(self) -> Optional[int]:
        """How many values there are; None where there is no end of them."""
        if self.expression == "choice":
            return len(self.values)
        if self.expression == "randint":
            return int(self.values[0])
        if self.expression in FINITE:
            first, last = self._steps()
            return last - first + 1
        return None

    def nth(self, place: int) -> Any:
        """The value at this place of a finite number of them."""
        if self.expression == "choice":
            return self.values[place]
        if self.expression == "randint":
            return place
        return self._rounded(self._steps()[0] + place)

    def at(self, quantile: float) -> Any:
        """The value below which this share of all values lies; `quantile` is above 0 and below 1."""
        if self.expression in ("choice", "randint"):
            count = self.count or 1
            return self.nth(min(int(quantile * count), count - 1))
        low, high = float(self.values[0]), float(self.values[1])
        if self.expression.endswith("normal"):
            value = NormalDist(low, high).inv_cdf(quantile)
        else:
            value = low + (high - low) * quantile
        if "log" in self.expression:
            value = math.exp(min(value, LARGEST_EXPONENT))
        return self._rounded(round(value / self.values[2])) if self.expression.startswith("q") else value

    def _steps(self) -> Tuple[int, int]:
        """The first and the last multiple of `q`."""
        low, high, q = self.values
        if "log" in self.expression:
            low, high = math.exp(low), math.exp(high)
        return round(low / q), round(high / q)

    def _rounded(self, steps: int) -> Any:
        """So many times `q`, as it is spelt: 0.3 and not 0.30000000000000004; whole where `q` is."""
        q = self.values[-1]
        return steps * q if isinstance(q, int) else float(Decimal(repr(q)) * steps)

    @property
    def problem(self) -> str:
        """What is wrong with the expression; empty for nothing."""
        if self.expression not in EXPRESSIONS:
            return f"there is no expression {self.expression!r}; use one of {', '.join(EXPRESSIONS)}"
        if self.expression == "choice":
            return self._wrong_choice()
        wanted = EXPRESSIONS[self.expression]
        if len(self.values) != len(wanted):
            return f"{self.expression} takes {', '.join(wanted)}, not {len(self.values)} values"
        for name, value in zip(wanted, self.values):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                return f"{name} of {self.expression} is {value!r}, and no number"
        return self._wrong_numbers(dict(zip(wanted, self.values)))

    def _wrong_choice(self) -> str:
        if not self.values:
            return "choice has no options"
        for each in self.values:
            if not isinstance(each, (str, int, float)) or (isinstance(each, float) and not math.isfinite(each)):
                return f"the option {each!r} of choice is no text, number or truth value"
        return "choice has an option twice" if len(set(map(repr, self.values))) < len(self.values) else ""

    def _wrong_numbers(self, given: Mapping[str, float]) -> str:
        upper = given.get("upper")
        if upper is not None and (upper != int(upper) or upper < 1):
            return f"upper of randint is {upper}, and must be a whole number of at least 1"
        if "min_value" in given and not given["min_value"] < given["max_value"]:
            return f"min_value of {self.expression} must be below max_value: {given['min_value']}, {given['max_value']}"
        if "log" in self.expression and max(given.get("max_value", 0), given.get("mu", 0)) > LARGEST_EXPONENT:
            return f"{self.expression} takes the logarithms of its limits, and e to the power of them is too large"
        for name in ("sigma", "q"):
            if name in given and given[name] <= 0:
                return f"{name} of {self.expression} must be above 0, not {given[name]}"
        return ""


@dataclass(frozen=True)
class Policy:
    """When a trial is stopped early. It is applied whenever the trial has logged the metric another `evaluation_interval`
    times, for the first time when it has logged it at least `delay_evaluation` times."""

    kind: str = "none"
    evaluation_interval: int = 1
    delay_evaluation: int = 0
    slack_factor: Optional[float] = None
    slack_amount: Optional[float] = None
    truncation_percentage: Optional[int] = None
    exclude_finished_jobs: bool = False

    @property
    def problem(self) -> str:
        """What is wrong with it; empty for nothing."""
        if self.kind not in POLICIES:
            return f"there is no policy {self.kind!r}; use one of {', '.join(POLICIES)}"
        if self.evaluation_interval < 1:
            return f"evaluation_interval is {self.evaluation_interval}, and must be at least 1"
        if self.delay_evaluation < 0:
            return f"delay_evaluation is {self.delay_evaluation}, and must not be below 0"
        if self.kind == "bandit":
            slacks = [each for each in (self.slack_factor, self.slack_amount) if each is not None]
            if len(slacks) != 1:
                return "a bandit policy takes one of slack_factor and slack_amount"
            if not 0 <= slacks[0] < math.inf:
                return f"the slack of a bandit policy is {slacks[0]}, and must not be below 0"
        if self.kind == "truncation_selection" and not 1 <= (self.truncation_percentage or 0) <= 99:
            return f"truncation_percentage is {self.truncation_percentage}, and must be from 1 to 99"
        return ""


@dataclass(frozen=True)
class Made:
    """An output of the sweep that the studio writes when it is over: of all trials (`metrics`), or of the best (`model`)."""

    kind: str
    file: Optional[str] = None


@dataclass(frozen=True)
class Sweep:
    """What a step of the kind `sweep` says of its trials, as values."""

    space: Tuple[Hyperparameter, ...]
    sampling: str
    metric: str
    goal: str
    max_total: int
    max_concurrent: int
    max_minutes: float
    policy: Policy = field(default_factory=Policy)
    seed: Optional[int] = None
    made: Mapping[str, Made] = field(default_factory=dict)
    resume_from: Tuple[str, ...] = ()
    resume_trials: Tuple[str, ...] = ()

    @property
    def size(self) -> Optional[int]:
        """How many different trials there can be; None for no end of them."""
        size = 1
        for each in self.space:
            count = each.count
            if count is None:
                return None
            size *= count
        return size

    @property
    def sign(self) -> int:
        """What turns the metric into a number of which more is better."""
        return 1 if self.goal == "maximize" else -1

    def problems(self) -> Iterator[str]:
        """All that is wrong, in words."""
        if not self.space:
            yield "it has no hyperparameters"
        names = [each.option for each in self.space]
        for name in sorted({each for each in names if names.count(each) > 1}):
            yield f"it has the hyperparameter {name!r} twice"
        for each in self.space:
            if not each.name.strip("- ") or any(sign.isspace() or sign in "=\0" for sign in each.name):
                yield f"{each.name!r} can be no hyperparameter: it is an argument of the script, such as --learning-rate"
            if each.problem:
                yield f"hyperparameter {each.name!r}: {each.problem}"
            elif self.sampling == "grid" and each.count is None:
                yield (
                    f"hyperparameter {each.name!r}: a grid takes {', '.join(FINITE)}, since {each.expression} has no end "
                    "of values; use random sampling, or choice with the values to be tried"
                )
        if self.sampling not in SAMPLINGS:
            yield f"there is no sampling {self.sampling!r}; use one of {', '.join(SAMPLINGS)}"
        if not self.metric.strip():
            yield "it names no primary metric"
        if self.goal not in GOALS:
            yield f"its goal is {self.goal!r}, and must be one of {', '.join(GOALS)}"
        yield from self._limits()
        if self.policy.problem:
            yield self.policy.problem
        for name, made in self.made.items():
            if made.kind not in ("metrics", "model"):
                yield f"the output {name!r} is {made.kind!r}, and must be one of metrics, model"
            if made.kind == "model" and not (made.file or "").strip("/ "):
                yield f"the output {name!r} is the best trial's model: name its file (model_file), such as outputs/model.pkl"

    def _limits(self) -> Iterator[str]:
        if not 1 <= self.max_total <= MOST_TRIALS:
            yield f"max_total_runs is {self.max_total}, and must be from 1 to {MOST_TRIALS}"
        if self.max_concurrent < 1:
            yield f"max_concurrent_runs is {self.max_concurrent}, and must be at least 1"
        if not 0 < self.max_minutes < math.inf:
            yield f"max_duration_minutes is {self.max_minutes}, and must be above 0"
        if len(self.resume_from) > MOST_PARENTS:
            yield f"it resumes from {len(self.resume_from)} sweeps, and {MOST_PARENTS} is the most"
        if len(set(self.resume_trials)) < len(self.resume_trials):
            yield "it resumes a trial twice"
        if len(self.resume_trials) > self.max_total:
            yield f"it resumes {len(self.resume_trials)} trials, and max_total_runs is {self.max_total}"

    def to_document(self) -> Dict[str, Any]:
        """As it stands in the graph, JSON-ready. Hyperparameters are a list: their order is that of a grid."""
        policy = self.policy
        return {
            "sampling": self.sampling,
            "seed": self.seed,
            "space": [{"name": p.name, "expression": p.expression, "values": list(p.values)} for p in self.space],
            "metric": self.metric,
            "goal": self.goal,
            "max_total": self.max_total,
            "max_concurrent": self.max_concurrent,
            "max_minutes": self.max_minutes,
            "policy": {name: getattr(policy, name) for name in _POLICY},
            "made": {name: {"kind": made.kind, "file": made.file} for name, made in self.made.items()},
            "resume_from": list(self.resume_from),
            "resume_trials": list(self.resume_trials),
        }


_POLICY: Mapping[str, Tuple[type, ...]] = {
    "kind": (str,),
    "evaluation_interval": (int,),
    "delay_evaluation": (int,),
    "slack_factor": (int, float),
    "slack_amount": (int, float),
    "truncation_percentage": (int,),
    "exclude_finished_jobs": (bool,),
}


def read_sweep(document: Any) -> Tuple[Optional[Sweep], List[str]]:
    """The sweep of a document, and what of it is not of the shape."""
    reader = _Reader(document, "its sweep")
    policy = _Reader(reader.take("policy", (dict,), {}), "its policy")
    space = [_Reader(each, "a hyperparameter") for each in reader.take("space", (list, tuple), [])]
    made = {str(name): _Reader(each, f"output {name!r}") for name, each in reader.take("made", (dict,), {}).items()}
    total = reader.take("max_total", (int,), 0)
    sweep = Sweep(
        tuple(
            Hyperparameter(
                each.take("name", (str,), ""),
                each.take("expression", (str,), ""),
                tuple(each.take("values", (list, tuple), ())),
            )
            for each in space
        ),
        reader.take("sampling", (str,), ""),
        reader.take("metric", (str,), ""),
        reader.take("goal", (str,), ""),
        total,
        reader.take("max_concurrent", (int,), total),
        reader.take("max_minutes", (int, float), 0),
        Policy(**{name: policy.take(name, kinds, getattr(Policy, name)) for name, kinds in _POLICY.items()}),
        reader.take("seed", (int,), None),
        {name: Made(each.take("kind", (str,), ""), each.take("file", (str,), None)) for name, each in made.items()},
        tuple(map(str, reader.take("resume_from", (list, tuple), ()))),
        tuple(map(str, reader.take("resume_trials", (list, tuple), ()))),
    )
    wrong = [text for each in (reader, policy, *space, *made.values()) for text in each.wrong]
    return (None if wrong else sweep), wrong


class _Reader:
    """Takes values of one object; what is of another kind is noted."""

    def __init__(self, document: Any, name: str) -> None:
        self.name = name
        self.wrong = [] if isinstance(document, Mapping) else [f"{name} is {document!r:.60}, and no object"]
        self.document: Mapping[str, Any] = document if isinstance(document, Mapping) else {}

    def take(self, key: str, kinds: Tuple[type, ...], default: Any) -> Any:
        value = self.document.get(key)
        if value is None:
            return default
        if isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)):
            return value
        self.wrong.append(
            f"`{key}` of {self.name} is {value!r:.60}, and must be {' or '.join(k.__name__ for k in kinds)}"
        )
        return default


def settings_problems(step: Step) -> Iterator[Tuple[str, str]]:
    """What is wrong with the settings of a step that is a sweep, and with outputs that all trials would write at one
    place: a code, and what follows "Step 'x': "."""
    sweep, wrong = read_sweep(step.settings)
    found = [*wrong, *(sweep.problems() if sweep is not None else ())]
    outputs = {output.name: output for output in step.outputs}
    made = sweep.made if sweep is not None else {}
    found += [
        f"its sweep is to write the output {name!r}, which the step does not have"
        for name in made
        if name not in outputs
    ]
    for name, output in outputs.items():
        if name not in made and output.destination and "{run-id}" not in output.destination:
            found.append(
                f"every trial would write its output {name!r} to '{output.destination}': put {{run-id}} into the "
                "destination, which is another for each of them"
            )
    for text in found:
        yield "bad_sweep", f"{text}."


def arguments_of(space: Sequence[Hyperparameter], values: Sequence[Any]) -> List[Any]:
    """What is put behind the arguments of the script, so that it wins over the same option there."""
    return [part for each, value in zip(space, values) for part in (each.option, value)]
