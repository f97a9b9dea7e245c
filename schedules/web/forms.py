"""The form of a schedule."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.forms import TextArea, Unmarked
from runs.web.parameters import PREFIX, ParameterForm
from schedules.models import Schedule
from schedules.timetable import FREQUENCIES, WEEK_DAYS
from schedules.triggers import COMPLETION, FAILURE, SUCCESS

LAST, NONE, ALL = "1", "0", "all"
CRON, CHANGE, AFTER = "cron", "change", "after"
FREQUENCY_WORDS = {
    "Minute": gettext_lazy("minutes"),
    "Hour": gettext_lazy("hours"),
    "Day": gettext_lazy("days"),
    "Week": gettext_lazy("weeks"),
    "Month": gettext_lazy("months"),
    CRON: gettext_lazy("by a cron expression"),
    CHANGE: gettext_lazy("minutes, when files have changed"),
    AFTER: gettext_lazy("not by time: after a run, or a new version"),
}
EACH = {
    "Minute": gettext_lazy("every minute"),
    "Hour": gettext_lazy("every hour"),
    "Day": gettext_lazy("every day"),
    "Week": gettext_lazy("every week"),
    "Month": gettext_lazy("every month"),
}
ON_WORDS = {
    SUCCESS: gettext_lazy("has completed"),
    FAILURE: gettext_lazy("has failed"),
    COMPLETION: gettext_lazy("has ended, however"),
}
AFTER_WORDS = {
    SUCCESS: gettext_lazy("after a run of %(name)s that has completed"),
    FAILURE: gettext_lazy("after a run of %(name)s that has failed"),
    COMPLETION: gettext_lazy("after a run of %(name)s, however it has ended"),
}
FACT_WORDS = {
    "due_at": gettext_lazy("Parameter that gets the time at which it was due"),
    "id": gettext_lazy("Parameter that gets the id of the run, or of the version"),
    "name": gettext_lazy("Parameter that gets the name of what started it"),
    "version": gettext_lazy("Parameter that gets the number of the version"),
    "status": gettext_lazy("Parameter that gets how the run has ended"),
}
DAY_WORDS = (
    gettext_lazy("Monday"), gettext_lazy("Tuesday"), gettext_lazy("Wednesday"), gettext_lazy("Thursday"),
    gettext_lazy("Friday"), gettext_lazy("Saturday"), gettext_lazy("Sunday"),
)  # fmt: skip


class TimetableForm(forms.Form):
    """When it is due. `timetable()` gives the document, which schedules.timetable reads and refuses."""

    frequency = forms.ChoiceField(label=gettext_lazy("Unit"), choices=[])
    interval = forms.IntegerField(label=gettext_lazy("Every"), min_value=1, initial=1, required=False)
    cron = forms.CharField(
        label=gettext_lazy("Cron expression"),
        required=False,
        help_text=gettext_lazy("such as 30 2 * * 1-5"),
    )
    hours = forms.CharField(
        label=gettext_lazy("Hours"), required=False, help_text=gettext_lazy("of the day, such as 2, 14")
    )
    minutes = forms.CharField(
        label=gettext_lazy("Minutes"), required=False, help_text=gettext_lazy("of each of the hours, such as 0, 30")
    )
    week_days = forms.MultipleChoiceField(
        label=gettext_lazy("On"), required=False, widget=forms.CheckboxSelectMultiple, choices=[]
    )
    start_time = forms.DateTimeField(
        label=gettext_lazy("Start"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "any"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("empty: at once"),
    )
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"), initial="UTC", required=False, help_text=gettext_lazy("such as Europe/Lisbon")
    )

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        frequency: Any = self.fields["frequency"]
        frequency.choices = [(each, FREQUENCY_WORDS[each]) for each in (*FREQUENCIES, CRON, CHANGE, AFTER)]
        frequency.initial = "Day"
        # Each is shown where the unit asks for it.
        for name in ("interval", "cron"):
            self.fields[name].bound_field_class = Unmarked
        days: Any = self.fields["week_days"]
        days.choices = list(zip(WEEK_DAYS, DAY_WORDS, strict=True))

    def timetable(self) -> dict[str, Any]:
        """Of a valid form; numbers that cannot be read stay texts, and are refused as such."""
        values = self.cleaned_data
        if values["frequency"] == AFTER:
            return {}
        zone = {"time_zone": values["time_zone"]} if values["time_zone"] else {}
        if values["frequency"] == CRON:
            return {"cron": values["cron"], **zone}
        if values["frequency"] == CHANGE:
            return {"frequency": "Minute", "interval": values["interval"] if values["interval"] is not None else 1}
        start: datetime | None = values["start_time"]
        found = {
            "frequency": values["frequency"],
            "interval": values["interval"] if values["interval"] is not None else 1,
            "start_time": start.replace(tzinfo=None).isoformat() if start else None,
            "hours": _numbers(values["hours"]),
            "minutes": _numbers(values["minutes"]),
            "week_days": values["week_days"] if values["frequency"] == "Week" else [],
            **zone,
        }
        return {name: value for name, value in found.items() if value not in (None, [])}


class ScheduleForm(TimetableForm):
    """All that a schedule is, but its parameters, which are those of what it runs."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=255)
    description = TextArea(label=gettext_lazy("Description"), required=False)
    experiment_name = forms.CharField(label=gettext_lazy("Experiment"), max_length=255, required=False)
    overlap = forms.ChoiceField(label=gettext_lazy("While a run is under way"), choices=[])
    catch_up = forms.ChoiceField(
        label=gettext_lazy("After the studio was away"),
        choices=[
            (LAST, gettext_lazy("Make up for the newest missed time")),
            (NONE, gettext_lazy("Make up for nothing")),
            (ALL, gettext_lazy("Make up for all missed times")),
        ],
    )
    jitter = forms.IntegerField(
        label=gettext_lazy("Random delay of up to"), min_value=0, max_value=86_400, initial=0, required=False,
        help_text=gettext_lazy("seconds, another number each time"),
    )  # fmt: skip
    max_runs = forms.IntegerField(
        label=gettext_lazy("At most"), min_value=1, required=False, help_text=gettext_lazy("runs; empty: no limit")
    )
    end_at = forms.DateTimeField(
        label=gettext_lazy("End"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "any"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("in UTC; empty: never"),
    )
    datastore = forms.ChoiceField(label=gettext_lazy("Datastore"), choices=[], required=False)
    path = forms.CharField(
        label=gettext_lazy("Folder"),
        required=False,
        help_text=gettext_lazy("with all below; empty: the whole datastore"),
    )
    parameter = forms.ChoiceField(
        label=gettext_lazy("Parameter that gets what has changed"), choices=[], required=False
    )
    each_file = forms.BooleanField(label=gettext_lazy("A run for each file"), required=False)
    settle = forms.IntegerField(
        label=gettext_lazy("Wait until a file has not changed for"), min_value=0, max_value=86_400, initial=0,
        required=False, help_text=gettext_lazy("seconds"),
    )  # fmt: skip

    after = forms.ChoiceField(label=gettext_lazy("After"), choices=[], required=False)
    on = forms.ChoiceField(
        label=gettext_lazy("When its run"), choices=list(ON_WORDS.items()), initial=SUCCESS, required=False,
        help_text=gettext_lazy("of a pipeline or an endpoint"),
    )  # fmt: skip

    def __init__(
        self, stores: list[str], graph: dict[str, Any], causes: list[tuple[str, str]], *args: Any, **more: Any
    ) -> None:
        super().__init__(*args, **more)
        after: Any = self.fields["after"]
        after.choices = [("", _("none")), *causes]
        names = [each["name"] for each in graph.get("parameters", ())]
        for fact, word in FACT_WORDS.items():
            field = forms.ChoiceField(
                label=word, choices=[("", _("none")), *((each, each) for each in names)], required=False
            )
            self.fields[f"gets_{fact}"] = field
        datastore: Any = self.fields["datastore"]
        datastore.choices = [(each, each) for each in stores]
        parameter: Any = self.fields["parameter"]
        paths = [each["name"] for each in graph.get("parameters", ()) if each.get("type") == "data_path"]
        parameter.choices = [("", _("none")), *((each, each) for each in paths)]
        overlap: Any = self.fields["overlap"]
        overlap.choices = Schedule.Overlap.choices
        catch_up: Any = self.fields["catch_up"]
        if (count := str(self.initial.get("catch_up", LAST))) not in (LAST, NONE, ALL):
            # By REST it may be any number, which the form must not change.
            text = _("Make up for the %(n)s newest missed times") % {"n": count}
            catch_up.choices = [*catch_up.choices, (count, text)]

    def watch(self) -> dict[str, Any] | None:
        """Of a valid form: what is looked at; None where times start runs."""
        values = self.cleaned_data
        if values["frequency"] != CHANGE:
            return None
        found = {name: values[name] for name in ("datastore", "path", "parameter", "each_file")}
        return {**found, "settle": values["settle"] or 0}

    def trigger(self) -> dict[str, Any] | None:
        """Of a valid form: what has to happen; None where times or files start runs."""
        values = self.cleaned_data
        if values["frequency"] != AFTER:
            return None
        kind, _colon, of = values["after"].partition(":")
        on = {"on": values["on"] or SUCCESS} if kind in ("pipeline", "endpoint") else {}
        return {kind or "pipeline": of, **on}

    def gets(self) -> dict[str, str]:
        """Of a valid form: which parameter gets which fact."""
        return {name: fact for fact in FACT_WORDS if (name := self.cleaned_data[f"gets_{fact}"])}

    @property
    def facts(self) -> list[forms.BoundField]:
        """The fields of the parameters that get facts."""
        return [self[f"gets_{fact}"] for fact in FACT_WORDS]

    @property
    def gets_any(self) -> bool:
        """Whether a parameter gets a fact."""
        return any(field.value() for field in self.facts)

    def asked(self) -> dict[str, Any]:
        """Of a valid form, as the service takes it."""
        values = self.cleaned_data
        count = values["catch_up"]
        return {
            **{
                name: values[name]
                for name in ("name", "description", "experiment_name", "overlap", "max_runs", "end_at")
            },
            "jitter": values["jitter"] or 0,
            "catch_up": None if count == ALL else int(count),
            "timetable": self.timetable(),
            "watch": self.watch(),
            "trigger": self.trigger(),
            "values": self.gets(),
        }


class ValuesForm(ParameterForm):
    """The parameters of what it runs."""

    def __init__(self, graph: dict[str, Any], current: dict[str, Any] | None, *args: Any, **more: Any) -> None:
        super().__init__(graph, current, *args, **more)
        self.current = current or {}

    def values(self) -> dict[str, Any]:
        """What was changed, and what the schedule says already. The others are left to the defaults: those of an endpoint may be
        other ones, or none, in its next version."""
        changed = set(self.changed_data)
        given = super().values().items()
        return {name: value for name, value in given if name in self.current or PREFIX + name in changed}


def initial_of(schedule: Schedule) -> dict[str, Any]:
    """What the form shows of a schedule that there is."""
    table = schedule.timetable
    start = table.get("start_time")
    at = str(table.get("time_of_day") or "")
    hour, _colon, minute = at.partition(":")
    return {
        "name": schedule.name,
        "description": schedule.description,
        "experiment_name": schedule.experiment_name,
        "overlap": schedule.overlap,
        "catch_up": ALL if schedule.catch_up is None else str(schedule.catch_up),
        "jitter": schedule.jitter,
        "max_runs": schedule.max_runs,
        "end_at": _local(schedule.end_at),
        **(schedule.watch or {}),
        **{f"gets_{fact}": name for name, fact in schedule.values.items()},
        "after": schedule.trigger_key,
        "on": (schedule.trigger or {}).get("on", SUCCESS),
        "frequency": AFTER
        if schedule.trigger
        else CHANGE
        if schedule.watch
        else CRON
        if "cron" in table
        else table.get("frequency"),
        "cron": table.get("cron", ""),
        "interval": table.get("interval", 1),
        "hours": hour or _text(table.get("hours")),
        "minutes": minute or _text(table.get("minutes")),
        "week_days": [str(each).capitalize() for each in table.get("week_days") or ()],
        "start_time": _local(datetime.fromisoformat(str(start))) if start else None,
        "time_zone": table.get("time_zone", "UTC"),
    }


def _local(at: datetime | None) -> str | None:
    """As a field of a browser has it, with all that is there: a form that is saved as it is changes nothing."""
    if at is None:
        return None
    return at.replace(tzinfo=None).isoformat(timespec="auto" if at.second or at.microsecond else "minutes")


def _text(numbers: Any) -> str:
    values = numbers if isinstance(numbers, list) else [] if numbers is None else [numbers]
    return ", ".join(str(each) for each in values)


def _numbers(text: str) -> list[Any]:
    parts = [part.strip() for part in text.replace(";", ",").split(",") if part.strip()]
    return [int(part) if part.isascii() and part.isdigit() and len(part) < 5 else part for part in parts]


def when(schedule: Schedule, name: str = "") -> str:
    """What starts it, in words. `name`: of the pipeline or the endpoint of its trigger."""
    if schedule.trigger is not None:
        kind, _colon, of = schedule.trigger_key.partition(":")
        if kind in ("dataset", "model"):
            text = _("after a new version of the dataset %(name)s") if kind == "dataset" else _("after a new version of the model %(name)s")  # fmt: skip
            return text % {"name": of}
        return str(AFTER_WORDS[schedule.trigger["on"]]) % {"name": name or of}
    if schedule.watch is None:
        return said(schedule.timetable)
    place = f"{schedule.watch['datastore']}/{schedule.watch['path']}".rstrip("/")
    count = schedule.timetable.get("interval", 1)
    return _("when files of %(place)s change · looked at every %(count)s minutes") % {"place": place, "count": count}


def said(table: dict[str, Any]) -> str:
    """A timetable in words: every 2 days at 02:30 (Europe/Lisbon)."""
    zone = str(table.get("time_zone") or "UTC")
    if "cron" in table:
        return f"{table['cron']} ({zone})"
    frequency, count = str(table.get("frequency")).capitalize(), table.get("interval", 1)
    words = _("every %(count)s %(unit)s") % {"count": count, "unit": FREQUENCY_WORDS.get(frequency, "")}
    if count == 1:
        words = str(EACH.get(frequency, ""))
    days = [str(DAY_WORDS[WEEK_DAYS.index(name)]) for name in map(str.capitalize, table.get("week_days") or ()) if name in WEEK_DAYS]  # fmt: skip
    times = table.get("time_of_day") or ", ".join(
        f"{hour:02}:{minute:02}" for hour in _list(table.get("hours")) for minute in _list(table.get("minutes")) or [0]
    )
    parts = [words, ", ".join(days), _("at %(times)s") % {"times": times} if times else ""]
    return f"{' · '.join(part for part in parts if part)} ({zone})"


def _list(value: Any) -> list[int]:
    return value if isinstance(value, list) else [] if value is None else [value]
