"""What runs kept: metrics, artifacts, outputs."""

from __future__ import annotations

from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Invalid
from core.serving import serve
from runs.api import serializers as s
from runs.api.base import BYTES, PAGED, UPLOAD, RawView, RunView, query, stream_of
from runs.models import Artifact
from runs.queries import files
from runs.queries.metrics import WHOLE, WHOLE_MAX, metric_documents, point_page
from runs.services.agent_reports import spool
from runs.services.results import artifacts
from runs.services.results.output_check import plain
from workspaces.api.base import keyed
from workspaces.models import Role
from workspaces.scopes import Act


class MetricsView(RunView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.OWN}
    for_endpoint_tokens = frozenset({"get"})

    @extend_schema(
        operation_id="run_metrics",
        parameters=[
            query("name", "One metric only."),
            query("recursive", "`1` for the runs below it, too.", bool),
            query("from", "First index.", int),
            query("to", "Last index.", int),
            query("whole", "`1` for up to 100,000 points of each series, not thinned.", bool),
        ],
        responses=s.MetricsOut,
    )
    def get(self, request: Request, id: UUID) -> Response:
        """Logged values, of the first 500 series. Above 2,000 points of one series: its envelope, lowest and highest in turn."""
        asked = request.query_params
        found = metric_documents(
            self.run(id),
            name=asked.get("name", ""),
            recursive=self.flag("recursive"),
            since=self._index("from"),
            until=self._index("to"),
            whole=WHOLE_MAX if self.flag("whole") else WHOLE,
        )
        return Response({"metrics": found.series, "total": found.total})

    @extend_schema(operation_id="run_log_metrics", request=s.Records, responses=s.RecordsOut)
    def post(self, request: Request, id: UUID) -> Response:
        """Take records in the form of a step's spool, for this run or its tree."""
        taken = spool.record(self.own_run(id), self.asked(s.Records)["records"])
        return Response({"accepted": taken})

    def _index(self, name: str) -> int | None:
        text = self.request.query_params.get(name)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError as error:
            raise Invalid(f"'{name}' is a whole number, not {text!r}.") from error


class MetricPointsView(RunView):
    needs = {"get": Role.READER}

    @extend_schema(
        operation_id="run_metric_points",
        parameters=[
            query("name", "One metric only."),
            query("recursive", "`1` for the runs below it, too.", bool),
            query("after", "The cursor `next` of the page before."),
        ],
        responses=s.PointPage,
    )
    def get(self, request: Request, id: UUID) -> Response:
        """Every value as it was logged, in pages of up to 10,000: nothing is thinned."""
        asked = request.query_params
        found = point_page(
            self.run(id), name=asked.get("name", ""), recursive=self.flag("recursive"), after=asked.get("after", "")
        )
        return Response(found)


class ArtifactsView(RunView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="run_artifacts", parameters=[query("prefix"), *PAGED], responses=s.ArtifactPage)
    def get(self, request: Request, id: UUID) -> Response:
        """The files that belong to the run, by path."""
        rows = files.artifacts_of(self.run(id), request.query_params.get("prefix", ""))
        return self.paged(rows, files.artifact_document, keys=("path",))


class ArtifactView(RawView):
    needs = {"get": Role.READER, "put": Role.CONTRIBUTOR}
    acts = {"put": Act.OWN}
    takes_files = frozenset({"put"})

    @extend_schema(operation_id="run_artifact", responses=BYTES)
    def get(self, request: Request, id: UUID, path: str) -> HttpResponseBase:
        """The bytes of one of the run's files, in whole or by `Range`."""
        found, source = files.open_artifact(self.run(id), path)
        return serve(request._request, source, found.size, found.path, found.content_type)

    @extend_schema(
        operation_id="run_artifact_put",
        parameters=[query("overwrite", "`1` to replace.", bool)],
        request=UPLOAD,
        responses={201: s.ArtifactOut},
    )
    @keyed
    def put(self, request: Request, id: UUID, path: str) -> Response:
        """Store the body as a file of the run. One that is there with other bytes is replaced with `overwrite=1` only."""
        run = self.own_run(id)
        return self.repeated(artifacts.put(run, path, stream_of(request), overwrite=self.flag("overwrite")))

    def repeated(self, made: Artifact) -> Response:
        return Response(files.artifact_document(made), status=201)


class OutputsView(RunView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="run_outputs", responses=s.OutputList)
    def get(self, request: Request, id: UUID) -> Response:
        """What the run wrote for others; of a reused step, what its source wrote."""
        return Response({"items": files.output_documents(files.outputs_of(self.run(id)))})


class OutputFilesView(RunView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="run_output_files", responses=s.FileList)
    def get(self, request: Request, id: UUID, name: str) -> Response:
        """The files of one output, in pages."""
        return Response({"items": plain(files.output_of(self.run(id), name))})


class OutputFileView(RawView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="run_output_file", responses=BYTES)
    def get(self, request: Request, id: UUID, name: str, path: str) -> HttpResponseBase:
        """The bytes of one file of the output, in whole or by `Range`."""
        source, size, base = files.open_output(self.run(id), name, path)
        return serve(request._request, source, size, base)
