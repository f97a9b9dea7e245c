"""What a script logs: metrics, tables, images, tags and properties."""

from __future__ import annotations

import io
import json
import re
from typing import Any, Dict, Iterable, List, Mapping, Optional, Protocol, Union

from duto.client.local_files import local_file
from duto.client.tags import texts
from duto.exceptions import UserErrorException
from duto.run.spool import plain, recorder
from duto.spec.text import clean


class Plot(Protocol):
    """A figure of matplotlib, or `pyplot`."""

    def savefig(self, fname: Any, /, *, format: str, bbox_inches: str) -> Any: ...


class RunLogging:
    """The logging half of a run. Each call costs a line in a file inside a step; an image is uploaded at
    once."""

    id: str
    _workspace: Any

    def log(self, name: str, value: object, description: str = "", step: Optional[int] = None) -> None:
        """Log one number or text; the same name again makes a series.

        Args:
            name: name of the metric.
            value: the value, of Python or numpy.
            description: what it is.
            step: its place in the series; None counts on.
        """
        self._metric(name, "scalar", plain(value), description, index=None if step is None else int(step))

    def log_list(self, name: str, value: Iterable[object], description: str = "") -> None:
        """Log a list of values, drawn as a line.

        Args:
            name: name of the metric.
            value: the values.
            description: what it is.

        Raises:
            UserErrorException: it is no list.
        """
        try:
            values = None if isinstance(value, (str, bytes, Mapping)) else [*value]
        except TypeError:  # no iterable; an array without a dimension only looks like one
            values = None
        if values is None:
            raise UserErrorException(
                f"The metric '{name}' is no list: log_list takes a list of values, not {value!r:.80}."
            )
        self._metric(name, "list", [plain(each) for each in values], description)

    def log_row(self, name: str, description: Optional[str] = None, **kwargs: object) -> None:
        """Log one row of named columns; each call adds a row. Two columns are drawn as x and y.

        Args:
            name: name of the metric.
            description: what it is.
            kwargs: values by the names of the columns.
        """
        self._metric(name, "row", plain(kwargs), description or "")

    def log_table(self, name: str, value: Mapping[str, object], description: str = "") -> None:
        """Log a table at once.

        Args:
            name: name of the metric.
            value: columns by name, each a list of one value per row.
            description: what it is.

        Raises:
            UserErrorException: it is no dictionary.
        """
        if not isinstance(value, Mapping):
            raise UserErrorException(
                f"The metric '{name}' is no table: log_table takes a dict of lists, one per column, not {value!r:.80}."
            )
        self._metric(name, "table", plain({key: _listed(column) for key, column in value.items()}), description)

    def log_image(
        self, name: str, path: Optional[str] = None, plot: Optional[Plot] = None, description: str = ""
    ) -> None:
        """Log an image. It is uploaded at once, as the artifact `images/<name>`.

        Args:
            name: name of the metric.
            path: a file of this machine.
            plot: of matplotlib: a figure, or `pyplot` for the current one; it is kept as PNG.
            description: what it is.

        Raises:
            UserErrorException: neither path nor plot were given, or both, or there is no such file.
        """
        if (path is None) == (plot is None):
            raise UserErrorException("log_image takes a path or a plot, and not both.")
        if path is not None:
            file = local_file(path)
            data, suffix = file.read_bytes(), file.suffix or ".png"
        else:
            assert plot is not None
            buffer = io.BytesIO()
            plot.savefig(buffer, format="png", bbox_inches="tight")
            data, suffix = buffer.getvalue(), ".png"
        artifact = self._image_name(name, suffix)
        self._put_artifact(artifact, data)
        self._metric(name, "image", {"artifact": artifact}, description)

    def log_confusion_matrix(self, name: str, value: Union[str, Mapping[str, object]], description: str = "") -> None:
        """Log a confusion matrix.

        Args:
            name: name of the metric.
            value: of `schema_type` `confusion_matrix` and `schema_version` `v1`; `data` holds `class_labels` (n
                names) and `matrix` (n × n counts, a row for each true class). A dictionary, its JSON, or the path of
                a JSON file.
            description: what it is.

        Raises:
            UserErrorException: it is none of these.
        """
        self._metric(name, "confusion_matrix", _document(value, "confusion_matrix"), description)

    def log_accuracy_table(self, name: str, value: Union[str, Mapping[str, object]], description: str = "") -> None:
        """Log tables of probabilities and percentiles, drawn as ROC, precision and recall, lift and gain.

        Args:
            name: name of the metric.
            value: of `schema_type` `accuracy_table`; `data` holds `probability_tables` and `percentile_tables` (one
                for each class, a row of four counts for each threshold), `probability_thresholds`,
                `percentile_thresholds` and `class_labels`. A dictionary, its JSON, or the path of a JSON file.
            description: what it is.

        Raises:
            UserErrorException: it is none of these.
        """
        self._metric(name, "accuracy_table", _document(value, "accuracy_table"), description)

    def log_predictions(self, name: str, value: Union[str, Mapping[str, object]], description: str = "") -> None:
        """Log predicted against true values.

        Args:
            name: name of the metric.
            value: of `schema_type` `predictions`; `data` holds `bin_averages`, `bin_errors`, `bin_counts` (n of each)
                and `bin_edges`. A dictionary, its JSON, or the path of a JSON file.
            description: what it is.

        Raises:
            UserErrorException: it is none of these.
        """
        self._metric(name, "predictions", _document(value, "predictions"), description)

    def log_residuals(self, name: str, value: Union[str, Mapping[str, object]], description: str = "") -> None:
        """Log a histogram of residuals.

        Args:
            name: name of the metric.
            value: of `schema_type` `residuals`; `data` holds `bin_edges` (n + 1) and `bin_counts` (n). A dictionary,
                its JSON, or the path of a JSON file.
            description: what it is.

        Raises:
            UserErrorException: it is none of these.
        """
        self._metric(name, "residuals", _document(value, "residuals"), description)

    def tag(self, key: str, value: object = None) -> None:
        """Set a tag; it may be set again.

        Args:
            key: name of the tag.
            value: its value, which becomes text; None is empty.
        """
        self._record({"op": "tag", "key": clean(str(key)), "value": "" if value is None else clean(str(value))})

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set several tags; others stay.

        Args:
            tags: tags by name; values become text.

        Raises:
            UserErrorException: they are no dictionary.
        """
        for key, value in texts(tags).items():
            self.tag(key, value)

    def add_properties(self, properties: Mapping[str, object]) -> None:
        """Set properties, each of which is set once and never changed.

        Args:
            properties: properties by name; values become text.

        Raises:
            UserErrorException: they are no dictionary.
        """
        for key, value in texts(properties, "properties").items():
            self._record({"op": "property", "key": clean(key), "value": clean(value)})

    def flush(self, timeout_seconds: float = 300) -> None:
        """Wait until the studio has everything that was logged so far.

        Args:
            timeout_seconds: seconds to wait at most; then it is sent further on.

        Raises:
            UserErrorException: outside of a step, the studio refused something.
        """
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
        safe = re.sub(r"[^\w .()-]+", "_", str(name)).strip(". ") or "image"
        used: Dict[str, int] = self.__dict__.setdefault("_images", {})
        count = used[safe] = used.get(safe, 0) + 1
        return f"images/{safe}{'' if count == 1 else f'_{count}'}{suffix}"

    def _put_artifact(self, name: str, data: bytes) -> None:
        raise NotImplementedError


def _listed(column: Any) -> List[Any]:
    return list(column) if isinstance(column, (list, tuple, set)) or hasattr(column, "tolist") else [column]


def _document(value: Any, schema: str) -> Any:
    """A value of one of the known schemas: a dict, JSON text, or the path of a JSON file."""
    found = value
    if isinstance(value, str):
        try:
            found = json.loads(
                value if value.lstrip().startswith("{") else local_file(value).read_text(encoding="utf-8")
            )
        except ValueError as error:
            raise UserErrorException(f"{value!r:.80} is no JSON of a {schema}: {error}") from error
    if not isinstance(found, Mapping):
        raise UserErrorException(
            f"log_{schema} takes a dict with schema_type, schema_version and data, JSON text of one, or the path of a JSON "
            f"file, not {value!r:.80}."
        )
    return plain(dict(found))
