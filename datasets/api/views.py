"""Datasets and their versions."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import serving
from datasets import queries
from datasets.api import serializers as s
from datasets.api.stores import file_document, page_of_files
from datasets.models import DatasetVersion
from datasets.services import content, fetching, files, versions
from datasets.stores import root_by_name
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import Role
from workspaces.scopes import Act


class DatasetsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.REGISTER}

    @extend_schema(responses=listed(s.DatasetOut))
    def get(self, request: Request) -> Response:
        """The datasets of the workspace with their newest version."""
        found = queries.datasets_in(self.context.workspace, request.query_params.get("q", ""))
        return self.paged(found, s.DatasetOut)

    @extend_schema(request=s.DatasetIn, responses={201: s.DatasetVersionOut})
    def post(self, request: Request) -> Response:
        """Register a dataset. The definition of a version that is there makes no new one."""
        asked = self.asked(s.DatasetIn)
        return self.repeated(versions.save(self.context, asked.pop("name"), **asked))

    def repeated(self, made: DatasetVersion) -> Response:
        return Response(s.DatasetVersionOut(made).data, status=201)


class DatasetView(WorkspaceView):
    needs = {"get": Role.READER, "delete": Role.CONTRIBUTOR}
    acts = {"delete": Act.OWN}

    @extend_schema(responses=s.DatasetVersionOut)
    def get(self, request: Request, name: str) -> Response:
        """Its newest version."""
        return Response(s.DatasetVersionOut(versions.find_version(self.context.workspace, name)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Remove the dataset with all versions. The files that it reads stay."""
        versions.unregister(self.context, name)
        return Response(status=204)


class DatasetVersionsView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=listed(s.DatasetVersionOut))
    def get(self, request: Request, name: str) -> Response:
        """The versions, newest first."""
        found = queries.versions_of(self.context.workspace, name)
        if not found.exists():
            versions.find_version(self.context.workspace, name)  # says that there is none
        return self.paged(found, s.DatasetVersionOut)


class NumberedVersionView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=s.DatasetVersionOut)
    def get(self, request: Request, name: str, version: str) -> Response:
        """One version; `latest` is the newest."""
        return Response(s.DatasetVersionOut(versions.find_version(self.context.workspace, name, version)).data)


class VersionView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.CONTRIBUTOR}
    acts = {"patch": Act.OWN}
    conditional = frozenset({"patch"})

    @extend_schema(responses=s.DatasetVersionOut)
    def get(self, request: Request, id: UUID) -> Response:
        """One version by its id, whatever its name."""
        return self._shown(versions.get_version(self.context.workspace, id))

    @extend_schema(request=s.DatasetVersionChange, responses=s.DatasetVersionOut)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change description and tags. What a version reads never changes."""
        return self._shown(versions.annotate(self.context, id, seen=self.seen, **self.asked(s.DatasetVersionChange)))

    def _shown(self, version: DatasetVersion) -> Response:
        return self.tagged(s.DatasetVersionOut(version).data, versions.said_of(version))


class VersionCancelView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.OWN}

    @extend_schema(request=None, responses=s.DatasetVersionOut)
    def post(self, request: Request, id: UUID) -> Response:
        """End the fetching of what is on the web, or the looking through a large table."""
        fetching.cancel(self.context, versions.get_version(self.context.workspace, id))
        return Response(s.DatasetVersionOut(versions.get_version(self.context.workspace, id)).data)


class VersionFilesView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=listed(s.DatasetFileOut))
    def get(self, request: Request, id: UUID) -> Response:
        """The files that the version reads, in pages."""
        found = files.files_of(versions.get_version(self.context.workspace, id))
        base = request.build_absolute_uri("../content/?path=")

        def document(each: files.ResolvedFile) -> dict[str, Any]:
            return {**file_document(each, each.path), "url": base + quote(each.path)}

        return Response(page_of_files(request, found, document))


class VersionPreviewView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=s.PreviewOut)
    def get(self, request: Request, id: UUID) -> Response:
        """Columns with their types, and the first rows of a table."""
        limit = self.number("limit", 50, least=1, most=content.PREVIEW_ROWS)
        return Response(content.preview_of(versions.get_version(self.context.workspace, id), limit))


class VersionContentView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, id: UUID) -> HttpResponseBase:
        """With `path` the bytes of one file; without, a table after its operations as CSV."""
        version = versions.get_version(self.context.workspace, id)
        if path := request.query_params.get("path"):
            found = content.file_in(version, path)
            source = root_by_name(version.workspace, found.datastore).open(found.key)
            return serving.serve(request._request, source, found.size, found.path)
        name = f"{version.dataset.name if version.dataset else version.pk}.csv"
        return serving.stream(request._request, content.csv_of(version), name, "text/csv; charset=utf-8")
