"""What a script logs: metrics, tables, images, tags and properties."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from duto.exceptions import UserErrorException
from duto.run.spool import plain, recorder
from duto.spec.text import clean


class RunLogging:
    """The logging half of a run. Each call costs a line in a file inside a step; an image is uploaded at
    once."""

    id: str
    _workspace: Any

    def log(self, name: str, value: Any, description: str = "", step: Optional[int] = None) -> None:
        """One number or text; the same name again makes a series, with `step` as its axis."""
        self._metric(name, "scalar", plain(value), description, index=None if step is None else int(step))

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        """A list of values, drawn as a line."""
        self._metric(name, "list", [plain(each) for each in value], description)

    def log_row(self, name: str, description: Optional[str] = None, **kwargs: Any) -> None:
        """One row of named columns; each call adds a row. Two columns are drawn as x and y."""
        self._metric(name, "row", plain(kwargs), description or "")

    def log_table(self, name: str, value: Mapping[str, Any], description: str = "") -> None:
        """A table, as columns of lists. Raises `UserErrorException` for what is no mapping."""
        if not isinstance(value, Mapping):
            raise UserErrorException("log_table takes a dict of lists, one per column.")
        self._metric(name, "table", plain({key: _listed(column) for key, column in value.items()}), description)

    def log_image(self, name: str, path: Optional[str] = None, plot: Any = None, description: str = "") -> None:
        """An image: a file, or a plot of matplotlib (a figure or `pyplot`). Raises `UserErrorException` for
        neither."""
        if (path is None) == (plot is None):
            raise UserErrorException("log_image takes a path or a plot, and not both.")
        if path is not None:
            if not Path(path).is_file():
                raise UserErrorException(f"The image '{path}' does not exist.")
            data, suffix = Path(path).read_bytes(), Path(path).suffix or ".png"
        else:
            buffer = io.BytesIO()
            plot.savefig(buffer, format="png", bbox_inches="tight")
            data, suffix = buffer.getvalue(), ".png"
        artifact = self._image_name(name, suffix)
        self._put_artifact(artifact, data)
        self._metric(name, "image", {"artifact": artifact}, description)

    def log_confusion_matrix(self, name: str, value: Any, description: str = "") -> None:
        """A confusion matrix of schema `confusion_matrix`, version v1: `data` with `class_labels` and
        `matrix`."""
        self._metric(name, "confusion_matrix", _document(value, "confusion_matrix"), description)

    def log_accuracy_table(self, name: str, value: Any, description: str = "") -> None:
        """Tables of probabilities and percentiles, drawn as ROC, precision and recall, lift and gain."""
        self._metric(name, "accuracy_table", _document(value, "accuracy_table"), description)

    def log_predictions(self, name: str, value: Any, description: str = "") -> None:
        """Predicted against true values: `bin_averages`, `bin_errors`, `bin_counts`, `bin_edges`."""
        self._metric(name, "predictions", _document(value, "predictions"), description)

    def log_residuals(self, name: str, value: Any, description: str = "") -> None:
        """A histogram of residuals: `bin_edges`, `bin_counts`."""
        self._metric(name, "residuals", _document(value, "residuals"), description)

    def tag(self, key: str, value: Any = None) -> None:
        """Set a tag; it may be set again."""
        self._record({"op": "tag", "key": clean(str(key)), "value": "" if value is None else clean(str(value))})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set several tags."""
        for key, value in tags.items():
            self.tag(key, value)

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        """Set properties, each of which is set once and never changed."""
        for key, value in properties.items():
            self._record({"op": "property", "key": clean(str(key)), "value": clean(str(value))})

    def flush(self, timeout_seconds: float = 300) -> None:
        """Wait until the studio has everything that was logged so far."""
        recorder(self._workspace, self.id).wait(timeout_seconds)

    def _metric(self, name: str, kind: str, value: Any, description: str, index: Optional[int] = None) -> None:
        record: Dict[str, Any] = {"op": "metric", "name": clean(str(name)), "kind": kind, "value": value}
        if kind == "scalar":
            record["index"] = index
        if description:
            record["description"] = clean(str(description))
        self._record(record)

    def _record(self, record: Dict[str, Any]) -> None:
        recorder(self._workspace, self.id).write({"run": self.id, **record})

    def _image_name(self, name: str, suffix: str) -> str:
        safe = re.sub(r"[^\w .()-]+", "_", name).strip(". ") or "image"
        used: Dict[str, int] = self.__dict__.setdefault("_images", {})
        count = used[safe] = used.get(safe, 0) + 1
        return f"images/{safe}{'' if count == 1 else f'_{count}'}{suffix}"

    def _put_artifact(self, name: str, data: bytes) -> None:
        raise NotImplementedError


def _listed(column: Any) -> List[Any]:
    return list(column) if isinstance(column, (list, tuple, set)) or hasattr(column, "tolist") else [column]


def _document(value: Any, schema: str) -> Any:
    """A value of one of the known schemas: a dict, JSON text, or the path of a JSON file."""
    if isinstance(value, str):
        text = Path(value).read_text(encoding="utf-8") if not value.lstrip().startswith("{") else value
        value = json.loads(text)
    if not isinstance(value, Mapping):
        raise UserErrorException(f"A {schema} is a dict with schema_type, schema_version and data.")
    return plain(dict(value))
