"""Files of a tabular dataset as one pandas frame, its operations done in order."""

from __future__ import annotations

import io
from typing import Any, Dict, List, Mapping

from duto.exceptions import UserErrorException
from duto.partitions import values_of
from duto.spec.selection import CHOOSING, indices

_DTYPES = {"string": "object", "float": "float64", "bool": "boolean", "long": "Int64"}


def read_frame(dataset: Any, on_error: str = "null", out_of_range: str = "null") -> Any:
    """The frame of a saved or unsaved dataset. Raises `UserErrorException`."""
    pandas = _pandas()
    form = dataset._definition.get("format") or {}
    frames = []
    for index, item in enumerate(dataset._files()):
        data = dataset._client.fetch(dataset._content(), path=item["path"])[0]
        frames.append(_file_frame(pandas, data, form, item["path"], index))
    if not frames:
        raise UserErrorException(f"The dataset finds no file: {dataset}")
    frame = pandas.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    frame = _typed(pandas, frame, form.get("columns") or {}, "coerce" if on_error == "null" else "raise")
    return apply(pandas, frame, dataset._definition.get("operations") or [])


def read_local(paths: List[str], form: Mapping[str, Any], operations: List[Mapping[str, Any]]) -> Any:
    """The frame of files on this machine, as a step has its inputs."""
    pandas = _pandas()
    frames = []
    for index, path in enumerate(paths):
        with open(path, "rb") as stream:  # noqa: PTH123 - a path from the environment
            frames.append(_file_frame(pandas, stream.read(), form, path, index))
    frame = pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()
    return apply(pandas, _typed(pandas, frame, form.get("columns") or {}, "coerce"), operations)


def apply(pandas: Any, frame: Any, operations: List[Mapping[str, Any]]) -> Any:
    """The frame after the operations of a definition, in order."""
    timestamp = None
    for operation in operations:
        deed = operation["op"]
        if deed == "keep_columns":
            frame = frame[_existing(frame, operation["columns"])]
        elif deed == "drop_columns":
            frame = frame.drop(columns=_existing(frame, operation["columns"]))
        elif deed in CHOOSING:
            frame = frame.iloc[indices(len(frame), [operation])].reset_index(drop=True)
        elif deed == "timestamp_columns":
            timestamp = operation.get("timestamp") or operation.get("partition_timestamp")
        elif deed == "time":
            frame = _between(pandas, frame, str(timestamp), operation)
    return frame


def _file_frame(pandas: Any, data: bytes, form: Mapping[str, Any], path: str, index: int) -> Any:
    kind = form.get("type") or "delimited"
    try:
        if kind == "parquet":
            frame = pandas.read_parquet(io.BytesIO(data))
        elif kind == "json_lines":
            frame = pandas.read_json(io.BytesIO(data), lines=True, encoding=form.get("encoding") or "utf8")
        else:
            frame = _delimited(pandas, data, form, index)
    except (ValueError, UnicodeDecodeError, ImportError) as error:
        raise UserErrorException(f"'{path}' cannot be read as {kind}: {error}") from error
    if form.get("partition_format"):
        for name, value in (values_of(form["partition_format"], path) or {}).items():
            frame[name] = value
    if form.get("include_path"):
        frame.insert(0, "Path", "/" + path.lstrip("/"))
    return frame


def _delimited(pandas: Any, data: bytes, form: Mapping[str, Any], index: int) -> Any:
    header = form.get("header", True)
    with_header = header is True or (header == "first" and index == 0)
    options: Dict[str, Any] = {
        "sep": form.get("separator") or ",",
        "encoding": form.get("encoding") or "utf8",
        "header": 0 if with_header else None,
    }
    if form.get("infer") is False:
        options["dtype"] = "object"
    if form.get("empty_as_string"):
        options["keep_default_na"] = False
    elif isinstance(form.get("columns"), Mapping):
        # Text stays text: "007" must not pass through a number.
        texts = {name: "object" for name, kind in form["columns"].items() if _kind(kind) == "string"}
        options.setdefault("dtype", texts)
    if len(options["sep"]) > 1:
        options["engine"] = "python"
    frame = pandas.read_csv(io.BytesIO(data), **options)
    if not with_header:
        frame.columns = [f"Column{place}" for place in range(1, len(frame.columns) + 1)]
    return frame


def _typed(pandas: Any, frame: Any, columns: Mapping[str, Any], errors: str) -> Any:
    for name, wanted in columns.items():
        if name not in frame.columns:
            continue
        kind = _kind(wanted)
        if kind == "datetime":
            frame[name] = _dates(pandas, frame[name], wanted, errors)
        elif kind in ("float", "long"):
            numbers = pandas.to_numeric(frame[name], errors=errors)
            frame[name] = numbers if kind == "float" or numbers.isna().any() else numbers.astype("int64")
        elif kind == "bool":
            texts = frame[name].astype("object").map(lambda value: str(value).strip().lower())
            frame[name] = texts.map({"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False})
    return frame


def _kind(wanted: Any) -> str:
    return str(wanted.get("type")) if isinstance(wanted, Mapping) else str(wanted)


def _dates(pandas: Any, column: Any, wanted: Any, errors: str) -> Any:
    formats = wanted.get("formats") if isinstance(wanted, Mapping) else None
    if not formats:
        return pandas.to_datetime(column, errors=errors)
    parsed = None
    for form in formats:
        tried = pandas.to_datetime(column, format=form, errors="coerce")
        parsed = tried if parsed is None else parsed.fillna(tried)
    return parsed


def _between(pandas: Any, frame: Any, column: str, operation: Mapping[str, Any]) -> Any:
    times = pandas.to_datetime(frame[column])
    include = operation.get("include_boundary", True)
    kept = times.notna()
    if operation.get("start"):
        start = pandas.Timestamp(operation["start"])
        kept &= (times >= start) if include else (times > start)
    if operation.get("end"):
        end = pandas.Timestamp(operation["end"])
        kept &= (times <= end) if include else (times < end)
    return frame[kept].reset_index(drop=True)


def _existing(frame: Any, columns: List[str]) -> List[str]:
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        known = ", ".join(map(str, frame.columns))
        raise UserErrorException(f"The dataset has no column {', '.join(missing)}; it has: {known}.")
    return list(columns)


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        text = "Reading a tabular dataset needs pandas: add it to the environment's packages."
        raise UserErrorException(text) from error
    return pandas
