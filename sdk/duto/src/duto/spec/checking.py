"""What a graph must mean to be run: names, references, and an order that exists."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Optional, Set, Tuple, Union

from duto.spec import distribution
from duto.spec.errors import Problem
from duto.spec.filenames import LONGEST_DESTINATION, is_elsewhere, leads_out, place_on, too_long, why_no_place
from duto.spec.kinds import KINDS
from duto.spec.names import RULES, is_name
from duto.spec.placeholders import unknown_data
from duto.spec.values import INPUT_MODES, LINK_KINDS, OUTPUT_KINDS, OUTPUT_MODES, Input, Output, Parts, Step

MAX_RETRIES = 100
MAX_RETRY_DELAY = 7 * 24 * 3600


def problems_of(graph: Parts, files: Optional[Mapping[str, Any]] = None) -> List[Problem]:
    """Every problem of the graph. `files` maps a snapshot's digest to the paths it holds, where that is
    known."""
    found: List[Problem] = []
    if not graph.steps:
        found.append(Problem("no_steps", "The pipeline has no steps."))
    found += _repeated("duplicate_step", "Two steps have the id", (step.id for step in graph.steps))
    found += _repeated("duplicate_parameter", "Two parameters have the name", (p.name for p in graph.parameters))
    found += [_bad("parameter", p.name) for p in graph.parameters if not is_name("parameter", p.name)]
    steps = {step.id: step for step in graph.steps}
    declared = {parameter.name: parameter.type for parameter in graph.parameters}
    secret = {parameter.name for parameter in graph.parameters if parameter.secret}
    for step in graph.steps:
        found += _secrets(step, secret)
        found += _names(step)
        found += _settings(step, files)
        found += _references(step, declared)
        found += _inputs(step, steps, declared)
    found += _pipeline_outputs(graph, steps)
    known = frozenset(steps)
    cycle = sort({step_id: step.parents & known for step_id, step in steps.items()})[1]
    if cycle:
        found.append(cycle_problem(cycle))
    return found


def sort(needs: Mapping[str, FrozenSet[str]]) -> Tuple[List[str], List[str]]:
    """The ids with parents first, and a cycle as the path around it (empty where there is none)."""
    place = {step: number for number, step in enumerate(needs)}
    missing = {step: sum(parent in needs for parent in parents) for step, parents in needs.items()}
    followers = followers_of(needs)
    done: Dict[str, None] = {}
    ready = [step for step, count in missing.items() if not count]
    while ready:
        done.update(dict.fromkeys(ready))
        following: List[str] = []
        for step in ready:
            for other in followers[step]:
                missing[other] -= 1
                if not missing[other]:
                    following.append(other)
        ready = sorted(following, key=place.__getitem__)
    waiting = [step for step in needs if step not in done]
    if waiting:
        rest = frozenset(waiting)
        return list(done), _walk_cycle({step: needs[step] & rest for step in waiting})
    return list(done), []


def followers_of(needs: Mapping[str, FrozenSet[str]]) -> Dict[str, List[str]]:
    """For each step those that wait for it directly, in the order of `needs`."""
    found: Dict[str, List[str]] = {step: [] for step in needs}
    for step, parents in needs.items():
        for parent in parents:
            if parent in found:
                found[parent].append(step)
    return found


def cycle_problem(cycle: List[str]) -> Problem:
    """The problem of a cycle, with the path in the order in which the steps would have to run."""
    path = " → ".join(cycle)
    return Problem("cycle", f"These steps wait for each other in a circle: {path}.", cycle[0])


def _walk_cycle(needs: Mapping[str, FrozenSet[str]]) -> List[str]:
    # Every step here has a parent here, so walking up must meet itself.
    path: Dict[str, None] = {}
    step = next(iter(needs))
    while step not in path:
        path[step] = None
        step = min(needs[step])
    walked = list(path)
    ring = walked[walked.index(step) :]
    return [step, *reversed(ring[1:]), step]


def _bad(kind: str, name: str, step: Optional[str] = None, what: str = "") -> Problem:
    return Problem("bad_name", f"{name!r} cannot name {what or 'a ' + kind}: use {RULES[kind][1]}.", step)


def _repeated(code: str, text: str, names: Iterable[str], step: Optional[str] = None) -> List[Problem]:
    return [
        Problem(code, f"{text} '{name}'.", step or (name if code == "duplicate_step" else None))
        for name, count in Counter(names).items()
        if count > 1
    ]


def _names(step: Step) -> List[Problem]:
    found = [_bad("step", name, step.id) for name in dict.fromkeys((step.id, step.name)) if not is_name("step", name)]
    for each in step.inputs:
        if not is_name("port", each.name):
            found.append(_bad("port", each.name, step.id, f"an input of step '{step.id}'"))
    for output in step.outputs:
        if not is_name("port", output.name):
            found.append(_bad("port", output.name, step.id, f"an output of step '{step.id}'"))
    found += [
        _bad("variable", name, step.id, f"a param of step '{step.id}'")
        for name in (*step.params, *step.environment_variables)
        if not is_name("variable", name)
    ]
    found += _repeated(
        "duplicate_output",
        f"Step '{step.id}' has two outputs of the name",
        (output.name for output in step.outputs),
        step.id,
    )
    found += _repeated(
        "duplicate_input",
        f"Step '{step.id}' has two inputs of the name",
        (each.name for each in step.inputs),
        step.id,
    )
    return found


def _settings(step: Step, files: Optional[Mapping[str, Any]]) -> List[Problem]:
    found: List[Problem] = []

    def refuse(code: str, message: str) -> None:
        found.append(Problem(code, f"Step '{step.id}': {message}", step.id))

    if step.kind not in KINDS:
        refuse("unknown_kind", f"there is no step kind {step.kind!r}.")
    for code, message in KINDS[step.kind].check(step, files) if step.kind in KINDS else ():
        refuse(code, message)
    where = "its command names" if step.kind in KINDS and KINDS[step.kind].is_shell else "its arguments name"
    for code, message in unknown_data(step, where):
        refuse(code, message)
    for each in step.inputs:
        if each.mode not in INPUT_MODES:
            refuse(
                "bad_mode",
                f"input '{each.name}' has mode {each.mode!r}; use one of {', '.join(INPUT_MODES)}.",
            )
    for output in step.outputs:
        if output.mode not in OUTPUT_MODES:
            refuse("bad_mode", f"output '{output.name}' has mode {output.mode!r}; use one of mount, upload.")
        if output.kind not in OUTPUT_KINDS:
            refuse("unknown_kind", f"output '{output.name}' has kind {output.kind!r}.")
        if output.kind in LINK_KINDS and (output.destination or output.is_directory or output.source_globs):
            refuse(
                "bad_link",
                f"output '{output.name}' links a dataset and holds no files: it has no destination, folder or globs.",
            )
    for what, text in _places(step):
        refuse("bad_path", f"{what}: {text}.")
    if not isinstance(step.node_count, Mapping) and step.node_count < 1:
        refuse("bad_node_count", "its node count is below 1.")
    if step.distribution is not None:
        for message in distribution.faults(step.distribution):
            refuse("bad_distribution", message)
    for code, message in _limits(step):
        refuse(code, message)
    return found


def _places(step: Step) -> Iterable[Tuple[str, str]]:
    """What is wrong with the paths of its data, on datastores and on the node: told before anything runs."""
    for each in step.inputs:
        if each.path and (why := why_no_place(place_on(each.path))):
            yield f"input '{each.name}' reads '{each.path}' on '{each.datastore}'", why
    for output in step.outputs:
        if output.destination and (why := _why_no_destination(output)):
            yield f"output '{output.name}' has the destination '{output.destination}'", why
    ports: Tuple[Union[Input, Output], ...] = (*step.inputs, *step.outputs)
    for port in ports:
        wanted = port.path_on_compute
        if wanted and not wanted.startswith("/") and (why := _why_no_place_on_compute(place_on(wanted))):
            yield f"'{port.name}' asks for the path '{wanted}' on the node", why


def _why_no_destination(output: Output) -> str:
    path = place_on(str(output.destination))
    if not path:
        return "that is the datastore itself; name a folder in it"
    path = path.replace("{run-id}", "0" * 36).replace("{output-name}", output.name)
    if len(path) > LONGEST_DESTINATION:
        return f"it has more than {LONGEST_DESTINATION} characters, which leaves no room for the names of files in it"
    return why_no_place(path)


def _why_no_place_on_compute(path: str) -> str:
    if not path:
        return "that is the folder of the script itself; name one below it"
    if leads_out(path) or is_elsewhere(path):
        return "it leads out of the folder of the script"
    return too_long(path)


def _limits(step: Step) -> Iterable[Tuple[str, str]]:
    """How long an attempt may take, and how often and when it is tried again. A comparison with NaN is false."""
    if step.timeout_seconds is not None and not 0 < step.timeout_seconds < math.inf:
        yield "bad_timeout", f"its timeout of {step.timeout_seconds} seconds is not above 0."
    if step.retries is not None and not 0 <= step.retries <= MAX_RETRIES:
        yield "bad_retries", f"{step.retries} retries are not between 0 and {MAX_RETRIES}."
    if step.retry_delay_seconds is not None and not 0 <= step.retry_delay_seconds <= MAX_RETRY_DELAY:
        yield (
            "bad_retry_delay",
            (f"its retry delay of {step.retry_delay_seconds} seconds is not between 0 and {MAX_RETRY_DELAY} (a week)."),
        )


def _is_parameter(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"parameter"}


def _references(step: Step, declared: Mapping[str, str]) -> List[Problem]:
    """Arguments and params that name an input, an output or a parameter."""
    found = []
    known: Dict[str, Any] = {
        "input": {each.name for each in step.inputs},
        "output": {each.name for each in step.outputs},
        "parameter": declared,
    }
    codes = {"input": "unknown_input", "output": "unknown_output", "parameter": "undeclared_parameter"}
    bound = [(f"argument {number}", value) for number, value in enumerate(step.arguments, 1)]
    bound += [(f"param '{name}'", value) for name, value in step.params.items()]
    bound += [(f"setting '{name}'", value) for name, value in step.settings.items() if _is_parameter(value)]
    counts = step.distribution.counts if step.distribution else {}
    bound += [(f"the number of {name.replace('_', ' ')}", value) for name, value in counts.items()]
    bound.append(("the number of nodes", step.node_count))
    for where, value in bound:
        if not isinstance(value, Mapping):
            continue
        for kind, name in value.items():
            if name not in known[kind]:
                owner = "the pipeline" if kind == "parameter" else "it"
                text = f"Step '{step.id}': {where} names the {kind} '{name}', which {owner} does not declare."
                found.append(Problem(codes[kind], text, step.id))
    return found


def _secrets(step: Step, secret: Set[str]) -> List[Problem]:
    """Secrets elsewhere than among what a script is given: no log hides what is made of them there."""
    counts = step.distribution.counts if step.distribution else {}
    held = {**step.settings, **counts, "node_count": step.node_count}
    named = [(f"'{name}'", value["parameter"]) for name, value in held.items() if _is_parameter(value)]
    named += [(f"input '{each.name}'", each.parameter) for each in step.inputs if each.parameter is not None]
    text = "Step '{}': {} takes the parameter '{}', which is a secret: those are for arguments and params."
    return [
        Problem("bad_parameter", text.format(step.id, where, name), step.id) for where, name in named if name in secret
    ]


def _inputs(step: Step, steps: Mapping[str, Step], declared: Mapping[str, str]) -> List[Problem]:
    found = []
    for each in step.inputs:
        text = _dangling(each, steps)
        if text:
            found.append(Problem("dangling_input", f"Step '{step.id}': input '{each.name}' {text}", step.id))
        if each.parameter is not None:
            if each.parameter not in declared:
                text = (
                    f"Step '{step.id}': input '{each.name}' names the parameter '{each.parameter}', which "
                    "the pipeline does not declare."
                )
                found.append(Problem("undeclared_parameter", text, step.id))
            elif declared[each.parameter] not in ("dataset", "data_path", "string"):
                text = (
                    f"Step '{step.id}': input '{each.name}' takes the parameter '{each.parameter}', which is "
                    f"of type {declared[each.parameter]} and no data."
                )
                found.append(Problem("wrong_type", text, step.id))
    for other in step.run_after:
        if other not in steps:
            text = f"Step '{step.id}' runs after '{other}', which is no step of this pipeline."
            found.append(Problem("unknown_step", text, step.id))
    return found


def _dangling(each: Input, steps: Mapping[str, Step]) -> str:
    if each.step is None:
        return ""
    if not each.step:
        return "is written by no step: name it in the `outputs` of the step that writes it."
    if each.step not in steps:
        return f"comes from '{each.step}', which is no step of this pipeline."
    if each.output not in {output.name for output in steps[each.step].outputs}:
        return f"is the output '{each.output}' of '{each.step}', which writes no such output."
    return ""


def _pipeline_outputs(graph: Parts, steps: Mapping[str, Step]) -> List[Problem]:
    found = []
    for name, (step, output) in graph.pipeline_outputs.items():
        if step not in steps or output not in {each.name for each in steps[step].outputs}:
            text = f"The pipeline output '{name}' is the output '{output}' of '{step}', which does not exist."
            found.append(Problem("dangling_output", text, step if step in steps else None))
    return found
