"""Registered models and their files."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from core import serving
from core.errors import Invalid
from core.ids import as_uuid
from core.paging import part_of
from core.parsers import Parser
from core.storage import artifact_store, safe
from registry import queries
from registry.api import serializers as s
from registry.models import ModelVersion
from registry.services import models as service
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import Role
from workspaces.scopes import Act


class ModelsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.REGISTER}
    takes_files = frozenset({"post"})
    parser_classes = [Parser, MultiPartParser]

    @extend_schema(responses=listed(s.ModelOut))
    def get(self, request: Request) -> Response:
        """Versions, newest first: `?name=`, `?run_id=` for those of a run and its steps, `?latest=1` for one of each name."""
        query = request.query_params
        run_id = None
        if (asked := query.get("run_id")) and (run_id := as_uuid(asked)) is None:
            raise Invalid(f"{asked!r} is no id of a run.")
        found = queries.versions_in(
            self.context.workspace, name=query.get("name", ""), run_id=run_id, latest=self.flag("latest")
        )
        return self.paged(found, queries.document)

    @extend_schema(request=s.ModelIn, responses={201: s.ModelOut})
    def post(self, request: Request) -> Response:
        """Register a version of a model: from a run's files, or from files that were uploaded as blobs."""
        return self.repeated(self._register(request, self.asked(s.ModelIn)))

    def repeated(self, made: ModelVersion) -> Response:
        return Response(queries.document(made), status=201)

    def _register(self, request: Request, asked: dict[str, Any]) -> ModelVersion:
        name, run_id, path = asked.pop("name"), asked.pop("run_id"), asked.pop("path")
        files, uploads = asked.pop("files", None) or [], request.FILES.getlist("file")
        values: dict[str, Any] = {key: "" if value is None else value for key, value in asked.items()}
        facts = service.Facts(**values)
        if run_id is not None:
            return service.register_from_run(self.context, name, run_id, path or name, facts)
        sources = [(each.name, each.open) for each in uploads] or service.blob_sources(self.context.workspace, files)
        return service.register(self.context, name, sources, facts)


class VersionView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.CONTRIBUTOR, "delete": Role.CONTRIBUTOR}
    acts = {"patch": Act.OWN, "delete": Act.OWN}
    conditional = frozenset({"patch"})

    @extend_schema(responses=s.ModelDetail)
    def get(self, request: Request, name: str, version: str) -> Response:
        """One version."""
        return self._shown(service.find_model(self.context.workspace, name, version))

    @extend_schema(request=s.ModelChange, responses=s.ModelDetail)
    def patch(self, request: Request, name: str, version: str) -> Response:
        """Change description, tags and properties. The files never change."""
        found = service.find_model(self.context.workspace, name, version)
        return self._shown(service.annotate(self.context, found, seen=self.seen, **self.asked(s.ModelChange)))

    def _shown(self, found: ModelVersion) -> Response:
        return self.tagged(queries.detail(found, self.context.workspace), service.said_of(found))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, version: str) -> Response:
        """Remove the version and its files."""
        service.remove(self.context, service.find_model(self.context.workspace, name, version))
        return Response(status=204)


class FilesView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=listed(s.ModelFileOut))
    def get(self, request: Request, name: str, version: str) -> Response:
        """The files of the version."""
        found = service.find_model(self.context.workspace, name, version)
        files = list(queries.files_of(found, self.context.workspace))
        query, following = request.query_params, None
        if "limit" in query or "after" in query:  # all of them, unless pages are asked for
            files, following = part_of(files, after=query.get("after"), limit=query.get("limit"), label="files")
        return Response({"items": [vars(each) for each in files], "next": following})


class ContentView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(
        parameters=[OpenApiParameter("path", str, required=True, description="One of the paths of `files/`.")],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, name: str, version: str) -> HttpResponseBase:
        """The file, or all files as a ZIP archive."""
        found = service.find_model(self.context.workspace, name, version)
        path = safe(request.query_params.get("path", ""))
        if not path:
            raise Invalid("Say which file is meant: one of the paths that 'files/' lists.", code="no_path")
        store = artifact_store(self.context.workspace.pk)
        key = queries.content_key(found, store, path)
        return serving.serve(request._request, store.open(key), store.size(key), path)
