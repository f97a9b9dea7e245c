"""A document's shape: from JSON to the parts of a graph, naming whatever is not of the shape."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from duto.spec import parameters
from duto.spec.declarations import declared
from duto.spec.errors import Problem, SpecError
from duto.spec.filenames import placed
from duto.spec.kinds import KINDS
from duto.spec.values import SCHEMA, Distribution, Input, Output, Parameter, Parts, Step

_MISSING = object()
# Patterns of an output, and their characters.
GLOBS_MOST, GLOB_MOST = 100, 1000
_TEXT, _FLAG, _LIST, _OBJECT, _NUMBER = (str,), (bool,), (list, tuple), (dict,), (int, float)
_WORDS = {_TEXT: "text", _FLAG: "true or false", _LIST: "a list", _OBJECT: "an object", _NUMBER: "a number"}


def read_parts(document: Any) -> Parts:
    """The graph of the document. Raises `SpecError` (codes `invalid`, `schema`, `wrong_type`) with all
    problems."""
    if not isinstance(document, Mapping):
        raise SpecError([Problem("invalid", "A graph is a JSON object.")])
    if document.get("schema", SCHEMA) != SCHEMA:
        raise SpecError([Problem("schema", f"This graph has schema {document['schema']!r}; known is {SCHEMA}.")])
    reader = _Reader(document)
    graph = Parts(
        steps=tuple(_each(reader, "steps", _step)),
        parameters=tuple(_each(reader, "parameters", _parameter)),
        description=reader.take("description", _TEXT, ""),
        continue_on_step_failure=reader.take("continue_on_step_failure", _FLAG, False),
        pipeline_outputs=_pipeline_outputs(reader),
    )
    if reader.problems:
        raise SpecError(reader.problems)
    return graph


class _Reader:
    """Takes keys of one object; what is wrong is noted and answered by a harmless value, so that all is
    seen."""

    def __init__(
        self,
        document: Mapping[str, Any],
        where: str = "",
        problems: Optional[List[Problem]] = None,
        step: Optional[str] = None,
    ) -> None:
        self.document = document
        self.where = where
        self.problems: List[Problem] = [] if problems is None else problems
        self.step = step

    def take(self, key: str, kinds: Tuple[type, ...], default: Any = _MISSING) -> Any:
        value = self.document.get(key)
        if value is None:
            if default is not _MISSING:
                return default
            self.note("invalid", f"{self.where}`{key}` is missing.")
            return kinds[0]()
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not _FLAG):
            self.note("invalid", f"{self.where}`{key}` must be {_WORDS[kinds]}, not {type(value).__name__}.")
            return kinds[0]() if default is _MISSING else default
        return value

    def note(self, code: str, message: str) -> None:
        self.problems.append(Problem(code, message, self.step))

    def inside(self, document: Any, where: str, step: Optional[str] = None) -> Optional[_Reader]:
        if not isinstance(document, Mapping):
            self.note("invalid", f"{where}must be an object.")
            return None
        return _Reader(document, where, self.problems, step or self.step)


def _each(reader: _Reader, key: str, read: Callable[[_Reader], Any]) -> List[Any]:
    values = []
    for index, item in enumerate(reader.take(key, _LIST, []), 1):
        step = item.get("id") if isinstance(item, Mapping) and key == "steps" else None
        name = item.get("id") or item.get("name") or index if isinstance(item, Mapping) else index
        where = f"{reader.where}{key[:-1]} '{name}': "
        inner = reader.inside(item, where, step if isinstance(step, str) else None)
        value = None if inner is None else read(inner)
        if value is not None:
            values.append(value)
    return values


def _parameter(reader: _Reader) -> Optional[Parameter]:
    name, kind = reader.take("name", _TEXT), reader.take("type", _TEXT)
    if kind not in parameters.TYPES:
        reader.note("wrong_type", f"{reader.where}type {kind!r} is none of {', '.join(parameters.TYPES)}.")
        return None
    said = reader.document
    choices, text = reader.take("choices", _LIST, None), reader.take("help", _TEXT, "")
    is_secret = reader.take("secret", _FLAG, False)
    try:
        return declared(
            name,
            kind,
            said.get("default"),
            choices=choices,
            minimum=said.get("minimum"),
            maximum=said.get("maximum"),
            help=text,
            secret=is_secret,
        )
    except SpecError as error:
        reader.problems.extend(error.problems)
        return None


def _step(reader: _Reader) -> Step:
    step_id = reader.take("id", _TEXT)
    hash_paths = reader.take("hash_paths", _LIST, None)
    name = reader.take("kind", _TEXT, "python_script")
    kind = KINDS.get(name)
    return Step(
        id=step_id,
        name=reader.take("name", _TEXT, step_id),
        script=reader.take("script", _TEXT) if kind is None or kind.has_script else reader.take("script", _TEXT, ""),
        snapshot=reader.take("snapshot", _TEXT, None),
        compute=reader.take("compute", _TEXT, None),
        kind=name,
        arguments=tuple(_argument(reader, each) for each in reader.take("arguments", _LIST, [])),
        environment=reader.take("environment", _OBJECT, None),
        inputs=tuple(_each(reader, "inputs", _input)),
        outputs=tuple(_each(reader, "outputs", _output)),
        params={name: _scalar(reader, name, value) for name, value in reader.take("params", _OBJECT, {}).items()},
        settings=dict(reader.take("settings", _OBJECT, {})),
        environment_variables={
            name: str(value) for name, value in reader.take("environment_variables", _OBJECT, {}).items()
        },
        run_after=tuple(str(each) for each in reader.take("run_after", _LIST, [])),
        allow_reuse=reader.take("allow_reuse", _FLAG, True),
        hash_paths=None if hash_paths is None else tuple(str(each) for each in hash_paths),
        version=reader.take("version", _TEXT, None),
        node_count=_count(reader, "node_count", 1),
        distribution=_distribution(reader),
        timeout_seconds=reader.take("timeout_seconds", _NUMBER, None),
        retries=_whole(reader, "retries"),
        retry_delay_seconds=reader.take("retry_delay_seconds", _NUMBER, None),
    )


def _distribution(reader: _Reader) -> Optional[Distribution]:
    given = reader.take("distribution", _OBJECT, None)
    inner = None if given is None else reader.inside(given, f"{reader.where}`distribution` ")
    if inner is None:
        return None
    return Distribution(inner.take("type", _TEXT), _count(inner, "processes", 1), _count(inner, "parameter_servers", 0))


def _count(reader: _Reader, key: str, default: int) -> Any:
    """A whole number, or the parameter that gives it."""
    value = reader.document.get(key)
    if isinstance(value, Mapping) and set(value) == {"parameter"}:
        return dict(value)
    found = _whole(reader, key)
    return default if found is None else found


def _whole(reader: _Reader, key: str) -> Optional[int]:
    value = reader.take(key, _NUMBER, None)
    if value is None or (isinstance(value, float) and not value.is_integer()):
        if value is not None:
            reader.note("invalid", f"{reader.where}`{key}` must be a whole number, not {value}.")
        return None
    return int(value)


def _argument(reader: _Reader, value: Any) -> Any:
    if isinstance(value, Mapping):
        if len(value) == 1 and set(value) <= {"input", "output", "parameter"}:
            return dict(value)
    elif isinstance(value, (str, int, float)):
        return value
    reader.note("invalid", f"{reader.where}argument {value!r} is no text, number, input, output or parameter.")
    return ""


def _scalar(reader: _Reader, name: str, value: Any) -> Any:
    if isinstance(value, Mapping) and set(value) == {"parameter"}:
        return dict(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    reader.note("invalid", f"{reader.where}param '{name}' is no text, number, or parameter.")
    return ""


def _input(reader: _Reader) -> Optional[Input]:
    source = reader.inside(reader.take("from", _OBJECT), f"{reader.where}`from` ")
    if source is None:
        return None
    taken: Dict[str, Any] = {
        key: source.take(key, _TEXT, None) for key in ("step", "output", "dataset", "datastore", "path", "parameter")
    }
    taken["path"] = placed(taken["path"])
    if sum(taken[key] is not None for key in ("step", "dataset", "datastore", "parameter")) != 1:
        reader.note("invalid", f"{reader.where}`from` names one of step, dataset, datastore and parameter.")
        return None
    if taken["step"] is not None and taken["output"] is None:
        reader.note("invalid", f"{reader.where}`from` names a step but no output of it.")
    return Input(
        name=reader.take("name", _TEXT),
        mode=reader.take("mode", _TEXT, "mount"),
        path_on_compute=reader.take("path_on_compute", _TEXT, None),
        tabular=reader.take("tabular", _OBJECT, None),
        **taken,
    )


def _output(reader: _Reader) -> Output:
    return Output(
        name=reader.take("name", _TEXT),
        kind=reader.take("kind", _TEXT, "pipeline_data"),
        datastore=reader.take("datastore", _TEXT, None),
        mode=reader.take("mode", _TEXT, "mount"),
        is_directory=reader.take("is_directory", _FLAG, None),
        path_on_compute=reader.take("path_on_compute", _TEXT, None),
        overwrite=reader.take("overwrite", _FLAG, None),
        destination=placed(reader.take("destination", _TEXT, None)),
        register=reader.take("register", _OBJECT, None),
        source_globs=_source_globs(reader),
    )


def _source_globs(reader: _Reader) -> Tuple[str, ...]:
    found = tuple(reader.take("source_globs", _LIST, ()))
    if len(found) > GLOBS_MOST or any(not isinstance(each, str) or not 0 < len(each) <= GLOB_MOST for each in found):
        reader.note(
            "invalid",
            f"{reader.where}`source_globs` are {GLOBS_MOST} patterns at most, each a text of 1 to {GLOB_MOST} characters.",
        )
        return ()
    return found


def _pipeline_outputs(reader: _Reader) -> Dict[str, Tuple[str, str]]:
    outputs = {}
    for name, item in reader.take("pipeline_outputs", _OBJECT, {}).items():
        inner = reader.inside(item, f"pipeline output '{name}': ")
        if inner is not None:
            outputs[name] = (inner.take("step", _TEXT), inner.take("output", _TEXT))
    return outputs
