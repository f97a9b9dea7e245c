"""What a schedule asks of the studio: times, files or a trigger that start it, and values of parameters, as REST takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

from duto.exceptions import UserErrorException
from duto.steps.parameter import value_of

if TYPE_CHECKING:
    from duto.pipeline.schedule_recurrence import ScheduleRecurrence
    from duto.pipeline.schedule_trigger import ScheduleTrigger
    from duto.workspace.workspace import Workspace


def when_of(
    name: str,
    recurrence: Optional[ScheduleRecurrence],
    datastore: object,
    minutes: Optional[int],
    parameter: Optional[str],
    path: Optional[str],
    trigger: Optional[ScheduleTrigger],
    values: Optional[Mapping[str, str]],
) -> Dict[str, Any]:
    """What starts it, as REST takes it. Raises UserErrorException."""
    if sum(each is not None for each in (datastore, recurrence, trigger)) > 1:
        raise UserErrorException(
            f"The schedule '{name}' has a recurrence, a datastore whose changes start it, or a trigger, not both."
        )
    more = {} if values is None else {"values": dict(values)}
    if trigger is not None:
        return {"trigger": dict(trigger._document), **more}
    if datastore is not None:
        return {**watch_of(datastore, minutes, parameter, path), **more}
    if recurrence is None:
        raise UserErrorException(
            f"The schedule '{name}' needs a recurrence, or a datastore whose changes start it, or a trigger."
        )
    recurrence.validate()
    return {"timetable": recurrence._document(), **more}


def watch_of(
    datastore: object, minutes: Optional[int], parameter: Optional[str], path: Optional[str]
) -> Dict[str, Any]:
    watch = {
        "datastore": str(getattr(datastore, "name", datastore)),
        "path": path or "",
        "parameter": parameter or "",
        "each_file": bool(parameter),
    }
    return {"timetable": {"frequency": "Minute", "interval": 5 if minutes is None else minutes}, "watch": watch}


def values_of(workspace: Workspace, parameters: Mapping[str, object]) -> Dict[str, Any]:
    return {name: value_of(value, workspace, True) for name, value in parameters.items()}
