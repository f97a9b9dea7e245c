"""Datastores, and the files on them."""

from __future__ import annotations

from typing import Any, BinaryIO, cast

from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import serving
from core.paging import MAX_LIMIT, part_of
from core.storage import Stored, safe
from datasets import queries
from datasets.api import serializers as s
from datasets.services import datastores, files, registration
from datasets.stores import root_of
from workspaces.api.base import WorkspaceView, keyed, listed
from workspaces.models import Role
from workspaces.scopes import Act


class DatastoresView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.MANAGE}
    # An answer that is kept would keep a digest of the credentials with it.
    keeps_keys = False

    @extend_schema(responses=listed(s.DatastoreOut))
    def get(self, request: Request) -> Response:
        """The datastores of the workspace."""
        return self.paged(queries.datastores_in(self.context.workspace), s.DatastoreOut, keys=("id",))

    @method_decorator(sensitive_variables())
    @extend_schema(request=s.DatastoreIn, responses={201: s.DatastoreOut})
    def post(self, request: Request) -> Response:
        """Register a datastore: of Azure, S3, an SFTP or web server, a database."""
        asked = self.asked(s.DatastoreIn)
        is_checked, create = asked.pop("check"), asked.pop("create_if_missing")
        made = registration.register(self.context, validate=is_checked, create=create, **asked)
        return Response(s.DatastoreOut(made).data, status=201)


class DatastoreView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.OWNER, "delete": Role.CONTRIBUTOR}
    acts = {"patch": Act.MANAGE, "delete": Act.MANAGE}

    @extend_schema(responses=s.DatastoreOut)
    def get(self, request: Request, name: str) -> Response:
        """One datastore. Credentials are never told."""
        return Response(s.DatastoreOut(datastores.open_to_people(self.context.workspace, name)).data)

    @extend_schema(request=s.DatastoreChange, responses=s.DatastoreOut)
    def patch(self, request: Request, name: str) -> Response:
        """Change what is named; what is left out stays."""
        if self.asked(s.DatastoreChange)["is_default"]:
            datastores.set_default(self.context, name)
        return Response(s.DatastoreOut(datastores.open_to_people(self.context.workspace, name)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Take it out of the workspace, with its credentials. What lies there stays."""
        registration.unregister(self.context, name)
        return Response(status=204)


class CredentialsView(WorkspaceView):
    needs = {"put": Role.CONTRIBUTOR}
    acts = {"put": Act.MANAGE}

    @method_decorator(sensitive_variables())
    @extend_schema(request=s.CredentialsIn, responses=s.DatastoreOut)
    def put(self, request: Request, name: str) -> Response:
        """Give it other credentials, all of them anew. Datasets read on with these."""
        asked = self.asked(s.CredentialsIn)
        made = registration.set_credentials(self.context, name, asked["credentials"], validate=asked["check"])
        return Response(s.DatastoreOut(made).data)


class TestView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.MANAGE}
    keeps_keys = False

    @extend_schema(request=None, responses=s.TestedOut)
    def post(self, request: Request, name: str) -> Response:
        """Reach it and read its first page, and say which stage failed."""
        return Response(s.TestedOut(registration.test(self.context, name)).data)


class FilesView(WorkspaceView):
    """All files at or below a prefix, or those that a pattern matches; paged by path."""

    needs = {"get": Role.READER}

    @extend_schema(responses=listed(s.StoredOut))
    def get(self, request: Request, name: str) -> Response:
        """All files at or below `prefix`, or those that a pattern matches, by path."""
        store = datastores.open_to_people(self.context.workspace, name)
        found = files.files_below(self.context.workspace, store.name, request.query_params.get("prefix", ""))
        return Response(page_of_files(request, found, lambda each: file_document(each, each.key)))


class FileView(WorkspaceView):
    needs = {"get": Role.READER, "put": Role.CONTRIBUTOR, "delete": Role.CONTRIBUTOR}
    acts = {"put": Act.UPLOAD, "delete": Act.OWN}
    takes_files = frozenset({"put"})

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, name: str, path: str) -> HttpResponseBase:
        """The bytes of one file, in whole or by `Range`."""
        store = datastores.open_to_people(self.context.workspace, name)
        root, key = root_of(store), safe(path)
        return serving.serve(request._request, root.open(key), root.size(key), key)

    @extend_schema(request={"application/octet-stream": OpenApiTypes.BINARY}, responses={201: s.StoredOut})
    @keyed
    def put(self, request: Request, name: str, path: str) -> Response:
        """Store the body as this file. One that is there is replaced with `overwrite=1` only."""
        body = cast(BinaryIO, request._request)
        overwrite = self.flag("overwrite")
        stored = datastores.put_file(self.context, name, path, body, overwrite=overwrite, answer=stored_document)
        return Response(stored_document(stored), status=201)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, path: str) -> Response:
        """Remove one file."""
        datastores.delete_file(self.context, name, path)
        return Response(status=204)


def stored_document(stored: Stored) -> dict[str, Any]:
    return {"path": stored.path, "size": stored.size, "modified_at": None}


def file_document(each: files.ResolvedFile, path: str) -> dict[str, Any]:
    return {"path": path, "size": each.size, "modified_at": each.modified_at}


def page_of_files(request: Request, found: list[files.ResolvedFile], out: Any) -> dict[str, Any]:
    query = request.query_params
    page, following = part_of(found, after=query.get("after"), limit=query.get("limit", MAX_LIMIT), label="files")
    return {"items": [out(each) for each in page], "next": following}
