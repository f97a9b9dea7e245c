"""The images of an environment on the hosts: a fragment of the environment's page, and the end of a build."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from environments.queries import version_by_id
from runs.queries import images as queries
from runs.queries.images import Standing
from runs.services.orchestration import build_ends
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_page


@dataclass(frozen=True)
class ImagesFragment:
    """What runs/images.html may show."""

    images: list[Standing]

    @property
    def building(self) -> list[Standing]:
        return [each for each in self.images if each.image.status == each.image.Status.BUILDING]


@workspace_page()
def of_environment(request: HttpRequest, context: WorkspaceContext, version: UUID) -> HttpResponse:
    """Where its images stand and are built. Raises NotFound for another workspace's version."""
    found = version_by_id(context.workspace, version)
    facts = ImagesFragment(queries.images_of(context.workspace, found))
    return render(request, "runs/images.html", {"page": facts, **responses.rights(request)})


@workspace_action()
def cancel(request: HttpRequest, context: WorkspaceContext, image: UUID) -> HttpResponse:
    build_ends.cancel_image(context, queries.image_in(context.workspace, image))
    text = _("Cancel was asked for. The steps that wait for this image end.")
    return responses.done(
        request, text, responses.back(request, reverse("environments:list", args=[context.workspace.name]))
    )
