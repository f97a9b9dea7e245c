"""Published pipelines as programs call them: publish, and the trigger in the shape that existing callers expect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from runs.api import serializers as s
from runs.models import Run
from runs.queries.documents import url_of
from runs.services.submission import publish
from workspaces.api.base import WorkspaceView
from workspaces.models import Role
from workspaces.scopes import Act


class TriggerView(WorkspaceView):
    is_lenient = True
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.SUBMIT}

    @extend_schema(operation_id="pipeline_trigger", request=s.TriggerIn, responses=s.TriggerOut)
    def post(self, request: Request, subscription: str, group: str, id: UUID) -> Response:
        """Run a published pipeline. `Id` is the run's. Parameters that it does not declare are left aside, with a warning on
        the run."""
        asked = self.asked(s.TriggerIn)
        run = publish.trigger(
            self.context,
            publish.get_published(self.context, id),
            experiment=asked["ExperimentName"] or "",
            parameters=parameters_of(asked),
            tags=asked["Tags"] or {},
            description=asked["Description"] or "",
            continue_on_step_failure=asked["ContinueRunOnStepFailure"],
            source="rest",
            is_lenient=True,
        )
        return self.repeated(run)

    def repeated(self, made: Run) -> Response:
        return Response(
            {"Id": str(made.pk), "RunUrl": url_of(made, self.context.workspace.name), "Status": made.status}
        )


def parameters_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values, data paths and datasets stand apart in this request; a run has one set of parameters."""
    values = dict(asked["ParameterAssignments"] or {})
    for name, place in (asked["DataPathAssignments"] or {}).items():
        values[name] = _data_path(place)
    for name, dataset in (asked["DataSetDefinitionValueAssignments"] or {}).items():
        values[name] = _dataset(dataset)
    return values


def _data_path(place: Any) -> Any:
    if not isinstance(place, Mapping):
        return place
    inner = place.get("LiteralDataPath") or place
    if not isinstance(inner, Mapping):
        return inner
    return {
        "datastore": inner.get("DataStoreName") or inner.get("datastore"),
        "path": inner.get("RelativePath") or inner.get("path"),
    }


def _dataset(definition: Any) -> Any:
    """`{"SavedDataSetReference": {"Id": ...}}`, or the id by itself."""
    reference = definition.get("SavedDataSetReference") if isinstance(definition, Mapping) else definition
    return reference.get("Id") if isinstance(reference, Mapping) else reference
