"""Profiles of tables."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from datasets.models import ProfileRun
from datasets.services import profiling, versions
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import Role
from workspaces.scopes import Act


class ProfileRunOut(serializers.Serializer[ProfileRun]):
    id = serializers.UUIDField()
    version = serializers.UUIDField(source="version_id")
    baseline = serializers.UUIDField(
        source="baseline_id", allow_null=True, help_text="Of a comparison: the version that it is compared with."
    )
    keys = serializers.ListField(child=serializers.CharField())
    status = serializers.ChoiceField(ProfileRun.Status.choices)
    progress = serializers.IntegerField(help_text="In percent.")
    error = serializers.JSONField(allow_null=True, help_text="`{code, message}`: why it failed or was canceled.")
    row_count = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class ProfileOut(serializers.Serializer[ProfileRun]):
    run = serializers.UUIDField(source="id")
    version = serializers.UUIDField(source="version_id")
    row_count = serializers.IntegerField()
    ended_at = serializers.DateTimeField()
    columns = serializers.SerializerMethodField(help_text="The statistics of each column, as docs/data.md says.")

    is_stale = serializers.SerializerMethodField(
        help_text="Whether the files are others by now; null unless `check_files` asks for it."
    )

    def get_is_stale(self, run: ProfileRun) -> bool | None:
        return self.context.get("is_stale")

    def get_columns(self, run: ProfileRun) -> list[dict[str, Any]]:
        return list((run.result or {}).get("columns", []))


class ComparisonIn(serializers.Serializer[Any]):
    baseline = serializers.UUIDField(help_text="The version to compare with, of this dataset or another one.")
    keys = serializers.ListField(
        child=serializers.CharField(max_length=1000, trim_whitespace=False), required=False, default=list, max_length=20,
        help_text="The columns that tell rows apart. Without them rows are not told apart.",
    )  # fmt: skip


class DifferencesOut(serializers.Serializer[ProfileRun]):
    run = serializers.UUIDField(source="id")
    version = serializers.UUIDField(source="version_id")
    baseline = serializers.UUIDField(source="baseline_id")
    ended_at = serializers.DateTimeField()
    differences = serializers.JSONField(source="result", help_text="As docs/data.md says.")


class ProfileView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=ProfileOut)
    def get(self, request: Request, id: UUID) -> Response:
        """The newest profile of the version. One that has none is `no_profile` (404). With `check_files` it says whether the
        files are still those that were read, for which they are listed."""
        found = profiling.profile_of(versions.get_version(self.context.workspace, id))
        is_stale = profiling.is_stale(found) if self.flag("check_files") else None
        return Response(ProfileOut(found, context={"is_stale": is_stale}).data)


class ProfileRunsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.REGISTER}

    @extend_schema(responses=listed(ProfileRunOut))
    def get(self, request: Request, id: UUID) -> Response:
        """The computations of the version's profile, newest first."""
        return self.paged(profiling.runs_of(versions.get_version(self.context.workspace, id)), ProfileRunOut)

    @extend_schema(request=None, responses={201: ProfileRunOut})
    def post(self, request: Request, id: UUID) -> Response:
        """Have the profile computed anew, by a worker. While that is under way it is the same run."""
        return self.repeated(profiling.submit(self.context, versions.get_version(self.context.workspace, id)))

    def repeated(self, made: ProfileRun) -> Response:
        return Response(ProfileRunOut(made).data, status=201)


class ProfileRunView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=ProfileRunOut)
    def get(self, request: Request, id: UUID) -> Response:
        """One computation, whether it has ended or not."""
        return Response(ProfileRunOut(profiling.get_run(self.context.workspace, id)).data)


class FoundView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=ProfileOut)
    def get(self, request: Request, id: UUID) -> Response:
        """What one computation has found. One that has not completed is `no_profile` (404)."""
        return Response(ProfileOut(profiling.found_by(profiling.get_run(self.context.workspace, id))).data)


class ComparisonsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.REGISTER}

    @extend_schema(responses=listed(ProfileRunOut))
    def get(self, request: Request, id: UUID) -> Response:
        """What the version was compared with, newest first."""
        return self.paged(profiling.comparisons_of(versions.get_version(self.context.workspace, id)), ProfileRunOut)

    @extend_schema(request=ComparisonIn, responses={201: ProfileRunOut})
    def post(self, request: Request, id: UUID) -> Response:
        """Have a worker compute how the version differs from another one."""
        asked = self.asked(ComparisonIn)
        version = versions.get_version(self.context.workspace, id)
        baseline = versions.get_version(self.context.workspace, asked["baseline"])
        return self.repeated(profiling.compare(self.context, version, baseline, asked["keys"]))

    def repeated(self, made: ProfileRun) -> Response:
        return Response(ProfileRunOut(made).data, status=201)


class DifferencesView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=DifferencesOut)
    def get(self, request: Request, id: UUID) -> Response:
        """What one comparison has found. One that has not completed is `no_profile` (404)."""
        return Response(DifferencesOut(profiling.compared_by(profiling.get_run(self.context.workspace, id))).data)


class ProfileRunCancelView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.CHANGE}

    @extend_schema(request=None, responses=ProfileRunOut)
    def post(self, request: Request, id: UUID) -> Response:
        """End a computation that is under way."""
        return Response(
            ProfileRunOut(profiling.cancel(self.context, profiling.get_run(self.context.workspace, id))).data
        )
