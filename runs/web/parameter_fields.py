"""The field of a form for a parameter: how its type is shown and read. What a value may be is asked of
`duto.spec.parameters.check` alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import sentences
from core.forms import with_lf
from datasets.models import DatasetVersion
from datasets.queries import datastores_in
from duto.spec.errors import SpecError
from duto.spec.moments import moment_of
from duto.spec.parameters import as_text, check, element_type
from duto.spec.secrets import MASK, is_sealed
from duto.spec.sentences import Said
from duto.spec.values import Parameter
from workspaces.models import Workspace

# A longer list is no longer looked through: then the id is typed.
OFFERED = 500
# A longer text gets several lines.
LINE = 80
# Where a number, a time or an object has a default, an empty field says nothing.
NEEDED = ("int", "float", "datetime", "json")
WORDS = {
    "string": gettext_lazy("text"),
    "int": gettext_lazy("whole number"),
    "float": gettext_lazy("number"),
    "dataset": gettext_lazy("id of a dataset version"),
    "data_path": gettext_lazy("datastore/path"),
    "list": gettext_lazy("list, one element a line"),
    "json": gettext_lazy("JSON object"),
    "datetime": gettext_lazy("time in UTC"),
}
BOUNDS = {
    (True, True): gettext_lazy("from %(least)s to %(most)s"),
    (True, False): gettext_lazy("at least %(least)s"),
    (False, True): gettext_lazy("at most %(most)s"),
}


@dataclass(frozen=True)
class Offers:
    """What of a workspace a form offers to choose from; nothing without one."""

    workspace: Workspace | None = None

    @cached_property
    def datastores(self) -> list[str]:
        if self.workspace is None:
            return []
        return list(datastores_in(self.workspace).order_by("name").values_list("name", flat=True))

    @cached_property
    def datasets(self) -> dict[str, list[tuple[str, str]]]:
        """By the name of each registered dataset its versions, the newest first: id and what it is called. Empty where
        there are too many."""
        if self.workspace is None:
            return {}
        rows = list(
            DatasetVersion.objects.filter(dataset__workspace=self.workspace, dataset__archived_at__isnull=True)
            .order_by("dataset__name", "-version")
            .values_list("pk", "dataset__name", "version")[: OFFERED + 1]
        )
        found: dict[str, list[tuple[str, str]]] = {}
        for key, name, version in rows:
            text = _("%(name)s, version %(version)s") % {"name": name, "version": version}
            found.setdefault(str(name), []).append((str(key), text))
        return found if len(rows) <= OFFERED else {}


class CheckInput(forms.CheckboxInput):
    """A box that says false where it is not ticked: else that could not be told from what was left out."""

    template_name = "components/check_input.html"

    def __init__(self) -> None:
        super().__init__(check_test=lambda value: value in (True, "true"))

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        return data.get(name)  # of several the last: the box stands behind its false


class PlaceInput(forms.MultiWidget):
    """A datastore to choose, and a path on it. What comes as one text is taken as well."""

    template_name = "components/place_input.html"

    def __init__(self, label: str, stores: Sequence[str]) -> None:
        store = forms.Select(choices=[("", _("the default")), *((each, each) for each in stores)])
        path = forms.TextInput(attrs={"aria-label": _("%(name)s: path") % {"name": label}})
        # No parameter has a '=' in its name, so that none has the name of a part.
        super().__init__({"=store": store, "=path": path})

    def id_for_label(self, id_: str) -> str:
        return f"{id_}_0" if id_ else ""

    def decompress(self, value: Any) -> list[str]:
        store, _slash, path = str(value or "").partition("/")
        return [store, path]

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        if name in data:
            return data.get(name)
        store, path = (str(each or "").strip() for each in super().value_from_datadict(data, files, name))
        return f"{store}/{path}" if store or path else ""


class ParameterField(forms.CharField):
    """Shows a value of a parameter, and gives the one that was filled in as the parameter takes it; None for none.

    What nobody touched is the value that was shown, whatever its text has lost.
    """

    def __init__(self, parameter: Parameter, current: Any, offers: Offers) -> None:
        self.parameter, self.current = parameter, current
        shown = shown_of(parameter, current)
        is_needed = current is not None and "" not in (parameter.choices or ()) and _is_needed(parameter)
        super().__init__(
            label=parameter.name,
            required=not is_sealed(current) if parameter.secret else is_needed,
            initial=shown,
            strip=False,
            widget=_widget(parameter, shown, offers),
            help_text=_help(parameter, offers, is_kept=is_sealed(current)),
        )

    def clean(self, value: Any) -> Any:
        text = with_lf(super().clean(value))
        kind = self.parameter.type
        if self.parameter.secret:
            return self._checked(text) if text else None
        if text == with_lf(self.initial or "") and self.current is not None:
            return self._checked(self.current)
        if kind == "list":
            return self._checked(_read_list(text))
        if kind == "string":
            return self._checked(text)
        text = text.strip()
        if kind == "json":
            _require_json(text)
        return self._checked(text) if text else None

    def _checked(self, value: Any) -> Any:
        try:
            return check(self.parameter, value)
        except SpecError as error:
            raise ValidationError([_localized(each.message) for each in error.problems]) from error


def shown_of(parameter: Parameter, value: Any) -> str:
    """A value as its field shows it."""
    if value is None or parameter.secret:
        return ""
    if parameter.type == "bool":
        return str(bool(value)).lower()
    if parameter.type == "json":
        return json.dumps(value, ensure_ascii=False, indent=2)
    if parameter.type == "list" and isinstance(value, list):
        return _lines_of(value)
    if parameter.type == "datetime":
        try:
            return _without_zone(moment_of(value).isoformat())
        except ValueError:
            return str(value)
    return as_text(value)


def _lines_of(values: Sequence[Any]) -> str:
    """A line for each, or JSON where lines would lose something: breaks, blanks at the ends, and texts that are empty."""
    lines = [str(each).lower() if isinstance(each, bool) else as_text(each) for each in values]
    text = "\n".join(lines)
    is_plain = all(line and line == line.strip() for line in lines) and len(text.splitlines()) == len(lines)
    return text if is_plain and not text.startswith("[") else json.dumps(list(values), ensure_ascii=False)


def _read_list(text: str) -> Any:
    text = text.strip()
    if text.startswith("["):
        _require_json(text)
        return text
    return [line.strip() for line in text.split("\n") if line.strip()]


def _require_json(text: str) -> None:
    """Raises ValidationError that says where a text stops being JSON."""
    try:
        json.loads(text or "null")
    except json.JSONDecodeError as error:
        place = {"line": error.lineno, "column": error.colno}
        raise ValidationError(_("This is no JSON: it breaks at line %(line)s, column %(column)s.") % place) from error
    except (RecursionError, ValueError):
        return  # the check says it


def _localized(message: str) -> str:
    """A message of the check in the reader's language."""
    return sentences.localized(sentences.keep(message)) if isinstance(message, Said) else message


def _is_needed(parameter: Parameter) -> bool:
    return parameter.type in NEEDED or _is_chosen(parameter)


def _is_chosen(parameter: Parameter) -> bool:
    return parameter.choices is not None and parameter.type != "list"


def _widget(parameter: Parameter, shown: str, offers: Offers) -> forms.Widget:
    kind = parameter.type
    if parameter.secret:
        return forms.PasswordInput(attrs={"autocomplete": "new-password"})
    if _is_chosen(parameter):
        return _select(parameter, shown)
    if kind == "bool":
        return CheckInput()
    if kind in ("int", "float"):
        return forms.NumberInput(attrs=_limits(parameter, "1" if kind == "int" else "any"))
    if kind == "datetime":
        # A browser's field holds milliseconds, and shows nothing of a value with more.
        is_short = len(shown.partition(".")[2]) <= 3
        return forms.TextInput(attrs={"type": "datetime-local", **_limits(parameter, "any")} if is_short else {})
    if kind in ("list", "json"):
        rows = min(max(shown.count("\n") + 1, 3), 12)
        return forms.Textarea(
            attrs={"rows": rows, "spellcheck": "false", **({"class": "mono"} if kind == "json" else {})}
        )
    if kind == "data_path" and offers.datastores:
        store = shown.partition("/")[0]
        return PlaceInput(parameter.name, list(dict.fromkeys([*offers.datastores, *([store] if store else [])])))
    if kind == "dataset" and offers.datasets:
        return _datasets(shown, offers)
    # One line alone would lose its breaks in the browser.
    is_long = "\n" in shown or "\r" in shown or len(shown) > LINE
    return forms.Textarea(attrs={"rows": 3}) if is_long and kind == "string" else forms.TextInput()


def _limits(parameter: Parameter, step: str) -> dict[str, str]:
    limits = {"min": parameter.minimum, "max": parameter.maximum}
    said = {name: _without_zone(as_text(value)) for name, value in limits.items() if value is not None}
    return {"step": step, **said}


def _select(parameter: Parameter, shown: str) -> forms.Select:
    """The choices; a value that is none of them stands among them as what it is, since another would be a wrong one."""
    choices = [
        (shown_of(parameter, each), shown_of(parameter, each) or _("(empty)")) for each in parameter.choices or ()
    ]
    if shown not in dict(choices):
        choices.insert(0, (shown, (_("%(value)s (not allowed)") % {"value": shown}) if shown else ""))
    return forms.Select(choices=choices)


def _datasets(shown: str, offers: Offers) -> forms.Select:
    groups = list(offers.datasets.items())
    known = {key for _name, versions in groups for key, _text in versions}
    now = [(shown, _("as it is: %(name)s") % {"name": shown})] if shown and shown not in known else []
    return forms.Select(choices=[("", _("the default")), *now, *groups])


def _help(parameter: Parameter, offers: Offers, *, is_kept: bool) -> str:
    """What it is for, and what may be filled in."""
    kind = parameter.type
    if parameter.secret:
        word = _("secret; empty: as it is, %(mask)s") % {"mask": MASK} if is_kept else _("secret, shown to nobody")
        return "\n".join(each for each in (parameter.help, word) if each)
    is_picked = (kind == "dataset" and offers.datasets) or (kind == "data_path" and offers.datastores)
    words = [] if _is_chosen(parameter) or kind == "bool" or is_picked else [str(WORDS[kind])]
    if kind == "list" and element_type(parameter) is None:
        words = [_("list of texts, one a line; others as JSON, such as [1, 2]")]
    least, most = parameter.minimum, parameter.maximum
    if least is not None or most is not None:
        facts = {"least": _limit(parameter, least), "most": _limit(parameter, most)}
        words.append(BOUNDS[least is not None, most is not None] % facts)
    if kind == "list" and parameter.choices is not None:
        words.append(_("each one of %(choices)s") % {"choices": ", ".join(map(as_text, parameter.choices))})
    return "\n".join(each for each in (parameter.help, ", ".join(words)) if each)


def _limit(parameter: Parameter, value: Any) -> str:
    text = _without_zone(as_text(value))
    return text.replace("T", " ") if parameter.type == "datetime" else text


def _without_zone(text: str) -> str:
    """A time in UTC as browsers' fields have it: to the second, or to what it has below that."""
    text = text.removesuffix("+00:00")
    return text.rstrip("0") if "." in text and "T" in text else text
