"""Code: blobs and snapshots in, files, archives and differences out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.serving import serve, stream
from runs.api import serializers as s
from runs.api.base import BYTES, UPLOAD, RawView, RunView, stream_of
from runs.models import Snapshot
from runs.queries import code
from runs.services.submission import snapshots
from workspaces.api.base import WorkspaceView
from workspaces.models import Role
from workspaces.scopes import Act


class MissingBlobsView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.UPLOAD}
    keeps_keys = False

    @extend_schema(operation_id="blobs_missing", request=s.MissingIn, responses=s.MissingOut)
    def post(self, request: Request) -> Response:
        """Which of these files the studio does not have yet: only those need to travel."""
        return Response({"missing": snapshots.missing(self.context.workspace, self.asked(s.MissingIn)["digests"])})


class BlobView(WorkspaceView):
    needs = {"put": Role.CONTRIBUTOR}
    acts = {"put": Act.UPLOAD}
    takes_files = frozenset({"put"})

    @extend_schema(operation_id="blob_put", request=UPLOAD, responses={201: s.SizeOut})
    def put(self, request: Request, digest: str) -> Response:
        """The bytes of a file, by their sha256."""
        return Response({"size": snapshots.put_blob(self.context.workspace, digest, stream_of(request))}, status=201)


class SnapshotsView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.UPLOAD}
    keeps_keys = False

    @extend_schema(operation_id="snapshots_create", request=s.Manifest, responses={201: s.SnapshotOut})
    def post(self, request: Request) -> Response:
        """Name uploaded files as a snapshot."""
        return Response(serialize(snapshots.create(self.context.workspace, request.data)), status=201)


class SnapshotView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="snapshot", responses=s.SnapshotOut)
    def get(self, request: Request, digest: str) -> Response:
        """The manifest of a snapshot: paths, digests and sizes."""
        return Response(serialize(snapshots.require(self.context.workspace, digest)))


class SnapshotFileView(RawView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="snapshot_file", responses=BYTES)
    def get(self, request: Request, digest: str, path: str) -> HttpResponseBase:
        """The bytes of one file of the snapshot, in whole or by `Range`."""
        source, size = code.open_file(snapshots.require(self.context.workspace, digest), path)
        return serve(request._request, source, size, path)


class SnapshotArchiveView(RawView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="snapshot_archive", responses=BYTES)
    def get(self, request: Request, digest: str) -> HttpResponseBase:
        """All files as a zip."""
        found = snapshots.require(self.context.workspace, digest)
        return stream(request._request, code.archive(found), f"snapshot-{digest[:12]}.zip", "application/zip")


class CompareCodeView(RunView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="run_compare_code", responses=s.CodeDifference)
    def get(self, request: Request, id: UUID, other: UUID) -> Response:
        """The difference of the code of two runs, step by step and file by file."""
        old, new = self.run(other), self.run(id)
        return Response({"run": str(id), "other": str(other), "items": code.differences(old, new)})


def serialize(snapshot: Snapshot) -> dict[str, Any]:
    return {name: getattr(snapshot, name) for name in ("digest", "file_count", "size", "files")}
