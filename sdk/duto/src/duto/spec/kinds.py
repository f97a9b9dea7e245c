"""Kinds of steps: one entry each, from which SDK, studio and agent know all that sets a kind apart. Pure.

The class by which programs make steps of a kind is a module of `duto.steps`; nothing else names a kind.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Mapping, Optional, Tuple

from duto.spec import automl, parallel, spark
from duto.spec.commands import command_problems
from duto.spec.sweeps import settings_problems
from duto.spec.values import Step

# Problems of a step's own: a code, and what follows "Step 'x': ".
Check = Callable[[Step, Optional[Mapping[str, Any]]], Iterable[Tuple[str, str]]]


def _(text: str) -> str:
    """Marks a text for the catalogues of languages."""
    return text


def script_problems(step: Step, files: Optional[Mapping[str, Any]]) -> Iterable[Tuple[str, str]]:
    """What is wrong with the script that a step names."""
    script = step.script.replace("\\", "/")
    if not script.strip():
        yield "missing_script", "it names no script."
    elif script.startswith("/") or ".." in script.split("/"):
        yield "missing_script", f"the script {step.script!r} lies outside its source directory."
    elif files is not None and step.snapshot and step.snapshot in files and not _holds(files[step.snapshot], script):
        yield "missing_script", f"its source directory holds no {step.script!r}."


def _holds(paths: Any, script: str) -> bool:
    return (script[2:] if script.startswith("./") else script) in paths


def sweep_problems(step: Step, files: Optional[Mapping[str, Any]]) -> Iterable[Tuple[str, str]]:
    """What is wrong with a sweep: with what each trial runs, a script or (where it names none) a command, or with its
    settings."""
    yield from (script_problems if step.script else command_problems)(step, files)
    yield from settings_problems(step)


@dataclass(frozen=True)
class Kind:
    """What sets a kind of step apart.

    Attributes:
        step_type: the class that programs make it by, and its runs' property `StepType`.
        start: what an agent starts, before the step's arguments: `{python}` is the Python of its environment, `{script}`
            the step's script, `{settings}` all of its settings as JSON, any other name one of them.
        shown: the same as people are shown it; empty for `start`.
        icon: one of the studio's icons, drawn on the step's node; empty for none.
        word: what its node is called beside its name; empty for nothing.
        is_shell: its arguments are a line for a shell (docs/wire.md), and `start` is not used.
        check: problems of its own, beside those that any step may have.
        unrelated: settings on which its result does not depend: no part of its identity.
        needs_r: whether it runs on hosts that have R alone.
        needs_java: the same of Java.
        ledger: the tab that shows what it tells of itself in a ledger beside its log; empty where it keeps none.
        runs_elsewhere: whether it runs a script or a command of its author, which `duto debug` can start on another machine.
    """

    step_type: str
    start: Tuple[str, ...] = ("{python}", "{script}")
    shown: Tuple[str, ...] = ()
    icon: str = ""
    word: str = ""
    is_shell: bool = False
    check: Check = script_problems
    unrelated: Tuple[str, ...] = ()
    needs_r: bool = False
    needs_java: bool = False
    ledger: str = ""
    runs_elsewhere: bool = True

    @property
    def has_script(self) -> bool:
        """Whether the step names a script of its source directory."""
        return not self.is_shell and any("{script}" in each for each in self.start)

    @property
    def runs_its_script(self) -> bool:
        """Whether the script is itself the program, which a host has to be allowed to start."""
        return not self.is_shell and "./{script}" in self.start

    def starting(self, python: str, script: str, settings: Mapping[str, Any]) -> Tuple[str, ...]:
        """The words before the step's arguments.

        Args:
            python: the interpreter of its environment.
            script: its script.
            settings: its settings, parameters as their values.

        Returns:
            The program and its first arguments; nothing for a shell's line.
        """
        return () if self.is_shell else self._filled(self.start, python, script, settings)

    def shown_command(self, script: str, settings: Mapping[str, Any]) -> Tuple[str, ...]:
        """The words before the step's arguments, as people are shown them.

        Args:
            script: its script.
            settings: its settings.

        Returns:
            The words; nothing for a shell's line.
        """
        return () if self.is_shell else self._filled(self.shown or self.start, "python", script, settings)

    def _filled(self, words: Tuple[str, ...], python: str, script: str, settings: Mapping[str, Any]) -> Tuple[str, ...]:
        values = {**settings, "python": python, "script": script, "settings": json.dumps(settings, default=dict)}
        return tuple(each.format_map(values) for each in words)


# What a program's exit code above 0 means stands in its first argument; a shell tells of a signal by 129 to 192, and by
# 126 and 127 that there was nothing to start.
_PROGRAM = (
    'codes=$1; shift; [ "$codes" = fail ] && exec "$0" "$@"; "$0" "$@"; code=$?; '
    '[ "$code" -lt 126 ] || [ "$code" -gt 192 ] && exit 0; exit "$code"'
)


def _program_problems(step: Step, files: Optional[Mapping[str, Any]]) -> Iterable[Tuple[str, str]]:
    yield from script_problems(step, files)
    codes = step.settings.get("exit_codes")
    if codes not in ("fail", "pass"):
        yield "bad_settings", f"its setting `exit_codes` is fail or pass, not {codes!r}."


def _module_problems(step: Step, files: Optional[Mapping[str, Any]]) -> Iterable[Tuple[str, str]]:
    yield from script_problems(step, files)
    if not isinstance(step.settings.get("module"), str):
        yield "bad_settings", "its setting `module` is the id of a version of a module."


def _r_problems(step: Step, files: Optional[Mapping[str, Any]]) -> Iterable[Tuple[str, str]]:
    yield from script_problems(step, files)
    program = step.settings.get("rscript")
    if not isinstance(program, str) or not program or program.startswith("-") or "=" in program:
        yield "bad_settings", f"its setting `rscript` is Rscript or a path of it, not {program!r}."


def _transfer_problems(step: Step, files: Optional[Mapping[str, Any]]) -> Iterable[Tuple[str, str]]:
    if len(step.inputs) != 1 or len(step.outputs) != 1:
        yield "bad_transfer", "a transfer has one source and one destination."
    for end in ("source", "destination"):
        kind = step.settings.get(end)
        if kind not in ("file", "directory", "any"):
            yield "bad_settings", f"its {end} is a file, a directory or any, not {kind!r}."
    if (step.settings.get("source"), step.settings.get("destination")) == ("directory", "file"):
        yield "bad_transfer", "a directory cannot become one file: let the destination be a directory."


def parallel_problems(step: Step, files: Optional[Mapping[str, Any]]) -> Iterable[Tuple[str, str]]:
    """What is wrong with a parallel step: its script, its settings, and the data that they name."""
    yield from script_problems(step, files)
    yield from (("bad_settings", text) for text in parallel.problems_of(step.settings, {}))
    inputs, output = step.settings.get("inputs"), step.settings.get("output")
    known = {each.name for each in step.inputs}
    for name in inputs if isinstance(inputs, (list, tuple)) else ():
        if name not in known:
            yield "bad_settings", f"its settings cut the input '{name}' into mini-batches, which it does not have."
    if isinstance(output, str) and output not in {each.name for each in step.outputs}:
        yield "bad_settings", f"its settings write rows into the output '{output}', which it does not have."


def automl_problems(step: Step, files: Optional[Mapping[str, Any]]) -> Iterable[Tuple[str, str]]:
    """What is wrong with a step of automated machine learning: its settings, and the data that they name."""
    yield from (("bad_settings", text) for text in automl.problems_of(step.settings))
    inputs, outputs = {each.name for each in step.inputs}, {each.name for each in step.outputs}
    for what in ("training_data", "validation_data"):
        name = step.settings.get(what)
        if isinstance(name, str) and name not in inputs:
            yield "bad_settings", f"its {what} is the input '{name}', which it does not have."
    made = step.settings.get("outputs")
    for name in set(made if isinstance(made, Mapping) else ()) ^ outputs:
        yield "bad_settings", f"its outputs and what is to be in them differ: '{name}' is not in both."


def _spark_problems(step: Step, files: Optional[Mapping[str, Any]]) -> Iterable[Tuple[str, str]]:
    yield from script_problems(step, files)
    paths = files.get(step.snapshot) if files is not None and step.snapshot else None
    yield from (("bad_settings", text) for text in spark.problems_of(step.settings, paths))
    known = {each.name for each in step.outputs}
    new = step.settings.get("new_outputs")
    for name in new if isinstance(new, (list, tuple)) else ():
        if name not in known:
            yield "bad_settings", f"its settings make way for the output '{name}', which it does not have."


def _spark(step_type: str) -> Kind:
    return Kind(
        step_type,
        ("{python}", "-m", "duto.spark", "{script}"),
        shown=("spark-submit", "{script}"),
        icon="spark",
        word=_("Spark"),
        check=_spark_problems,
        unrelated=spark.UNRELATED,
        needs_java=True,
        ledger="stages",
    )


KINDS: Mapping[str, Kind] = {
    "python_script": Kind("PythonScriptStep"),
    "command": Kind("CommandStep", icon="terminal", word=_("command"), is_shell=True, check=command_problems),
    "parallel_run": Kind(
        "ParallelRunStep",
        ("{python}", "-m", "duto.parallel", "{script}"),
        icon="parallel",
        word=_("parallel run"),
        check=parallel_problems,
        unrelated=parallel.UNRELATED,
        ledger="batches",
    ),
    "automl": Kind(
        "AutoMLStep",
        ("{python}", "-m", "duto.automl", "{settings}"),
        shown=("{python}", "-m", "duto.automl"),
        icon="chart",
        word=_("automated ML"),
        check=automl_problems,
        unrelated=automl.UNRELATED,
        runs_elsewhere=False,
    ),
    "sweep": Kind("HyperDriveStep", icon="chart", word=_("sweep"), check=sweep_problems, runs_elsewhere=False),
    "program": Kind(
        "AzureBatchStep",
        ("/bin/sh", "-c", _PROGRAM, "./{script}", "{exit_codes}"),
        shown=("./{script}",),
        icon="program",
        word=_("program"),
        check=_program_problems,
    ),
    "module": Kind("ModuleStep", icon="module", word=_("module"), check=_module_problems),
    "r_script": Kind(
        "RScriptStep",
        ("/usr/bin/env", "{rscript}", "{script}"),
        shown=("Rscript", "{script}"),
        icon="r-script",
        word="R",
        check=_r_problems,
        needs_r=True,
    ),
    "data_transfer": Kind(
        "DataTransferStep",
        ("{python}", "-m", "duto.run.transfer", "{source}", "{destination}"),
        shown=("transfer",),
        icon="transfer",
        word=_("data transfer"),
        check=_transfer_problems,
        runs_elsewhere=False,
    ),
    **dict(zip(spark.KINDS, map(_spark, ("SynapseSparkStep", "DatabricksStep")))),
}
