"""Images of environments on the hosts: what stands, what is built, and the end of a build."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Invalid
from core.paging import page_of
from environments.models import Image
from runs.api.base import PAGED, query
from runs.queries import images as queries
from runs.services.orchestration import build_ends
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import Role
from workspaces.scopes import Act


class ImageProgressOut(s.Serializer):  # type: ignore[type-arg]
    done = s.IntegerField()
    total = s.IntegerField()
    text = s.CharField()
    unit = s.CharField(help_text="What is counted: `steps` of a build, or `bytes` of a fetch.")


class ImageOut(s.Serializer):  # type: ignore[type-arg]
    """An environment as a container image on one host."""

    id = s.UUIDField()
    host = s.CharField()
    tag = s.CharField()
    image_id = s.CharField()
    status = s.ChoiceField(choices=Image.Status.values)
    size = s.IntegerField(help_text="Bytes, those of its base included.")
    base = s.CharField(help_text="The id of the image that it is built on.")
    fetches = s.CharField(help_text="The name of a base image that is fetched instead of built; else empty.")
    lock_digest = s.CharField()
    reason = s.CharField(help_text="Why it was built.")
    message = s.CharField(help_text="Why the build failed.")
    progress = ImageProgressOut(allow_null=True)
    cancel_requested_at = s.DateTimeField(allow_null=True)
    started_at = s.DateTimeField(allow_null=True)
    finished_at = s.DateTimeField(allow_null=True)
    last_used_at = s.DateTimeField(allow_null=True, help_text="By its host's last word.")
    in_use = s.BooleanField()
    attempt = s.UUIDField(allow_null=True, help_text="The attempt whose log tells of the build.")
    run = s.UUIDField(allow_null=True, help_text="The step's run that this attempt belongs to.")


class ImagesView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(
        operation_id="images",
        parameters=[
            *PAGED,
            query("status", kind={"type": "string", "enum": ["", *Image.Status.values]}),
            query("lock_digest"),
        ],
        responses=listed(ImageOut),
    )
    def get(self, request: Request) -> Response:
        """Newest first."""
        rows, asked = queries.images_in(self.context.workspace), request.query_params
        if status := asked.get("status"):
            if status not in Image.Status.values:
                raise Invalid(f"'status' is one of {', '.join(Image.Status.values)}, not {status!r}.")
            rows = rows.filter(status=status)
        if digest := asked.get("lock_digest"):
            rows = rows.filter(lock_digest=digest)
        page = page_of(rows, after=asked.get("after"), limit=asked.get("limit"))
        items = queries.standing(self.context.workspace, page.items)
        return Response({"items": [each.as_document() for each in items], "next": page.next})


class ImageView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="image", responses=ImageOut)
    def get(self, request: Request, id: UUID) -> Response:
        """One image on a host."""
        image = queries.image_in(self.context.workspace, id)
        return Response(queries.standing(self.context.workspace, [image])[0].as_document())


class ImageCancelView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.MANAGE}

    @extend_schema(operation_id="image_cancel", request=None, responses={202: ImageOut})
    def post(self, request: Request, id: UUID) -> Response:
        """Ask its host to end the build; the steps that wait for it fail with a cause that says who asked."""
        image = build_ends.cancel_image(self.context, queries.image_in(self.context.workspace, id))
        return Response(queries.standing(self.context.workspace, [image])[0].as_document(), status=202)
