"""The caller, their workspaces, their tokens, the members."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Conflict, Forbidden
from workspaces import queries
from workspaces.api import serializers as s
from workspaces.api.base import StudioView, WorkspaceView, keyed, listed
from workspaces.models import ApiToken, Invitation, Member, Role, User
from workspaces.scopes import Act
from workspaces.services import members, tokens, workspaces

VERSION = "0.1.0"


class RootView(StudioView):
    """What this is; also for those who are not signed in yet."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(responses=s.RootOut)
    def get(self, request: Request) -> Response:
        return Response({"name": "duto", "version": VERSION, "api": 1})


class MeView(StudioView):
    @extend_schema(responses=s.MeOut)
    def get(self, request: Request) -> Response:
        user, token = _caller(request)
        found = list(queries.rooms_of(user, token).order_by("workspace__name"))
        name = user.username if user else token.name if token else ""
        # A step needs to know its workspace; how to write to its submitter is a person's matter.
        is_step = token is not None and token.kind == ApiToken.Kind.RUN
        email = user.email if user and not is_step else None
        me = {"user": user, "username": name, "email": email, "token": token, "workspaces": found}
        return Response(s.MeOut(me).data)


class WorkspacesView(StudioView):
    keeps_keys = True

    @property
    def keys_of(self) -> str:
        user, _token = _caller(self.request)
        return f"user:{user.pk if user else ''}"

    @extend_schema(responses=listed(s.WorkspaceOut))
    def get(self, request: Request) -> Response:
        user, token = _caller(request)
        return self.paged(queries.rooms_of(user, token), s.WorkspaceOut, keys=("id",))

    @extend_schema(request=s.WorkspaceIn, responses={201: s.WorkspaceOut})
    @keyed
    def post(self, request: Request) -> Response:
        """A new workspace, for those who own one already."""
        user, token = _caller(request)
        if user is None or token is not None:
            raise Forbidden("A token belongs to one workspace. Sign in to make another.")
        room = workspaces.create_for_owner(user, **self.asked(s.WorkspaceIn))
        return Response(s.WorkspaceOut(Member(workspace=room.workspace, role=room.role)).data, status=201)


class WorkspaceDetailView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.OWNER}
    acts = {"patch": Act.MANAGE}

    @extend_schema(responses=s.WorkspaceOut)
    def get(self, request: Request) -> Response:
        return Response(s.WorkspaceOut(Member(workspace=self.room.workspace, role=self.room.role)).data)

    @extend_schema(request=s.WorkspaceChange, responses=s.WorkspaceOut)
    def patch(self, request: Request) -> Response:
        asked = self.asked(s.WorkspaceChange)
        if (scope := asked.pop("run_token_scope", None)) is not None:
            workspaces.set_run_token_scope(self.room, scope)
        workspace = workspaces.change(self.room, **asked) if asked else self.room.workspace
        return Response(s.WorkspaceOut(Member(workspace=workspace, role=self.room.role)).data)


class TokensView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.READER}
    acts = {"get": Act.MANAGE, "post": Act.MANAGE}

    @extend_schema(responses=listed(s.TokenOut))
    def get(self, request: Request) -> Response:
        return self.paged(queries.tokens_of(self.room), s.TokenOut)

    @extend_schema(request=s.TokenIn, responses={201: s.MintedOut})
    def post(self, request: Request) -> Response:
        minted = tokens.create(self.room, **self.asked(s.TokenIn))
        return Response({**s.TokenOut(minted.token).data, "token": minted.text}, status=201)

    def repeated(self, made: ApiToken) -> Response:
        text = f"This request has made the token '{made.name}' before, and its text is shown once. Revoke it and make another."
        raise Conflict(text, code="shown_once", id=str(made.pk))


class TokenView(WorkspaceView):
    needs = {"delete": Role.READER}
    acts = {"delete": Act.MANAGE}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        tokens.revoke(self.room, id)
        return Response(status=204)


class MembersView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.OWNER}
    acts = {"get": Act.MANAGE, "post": Act.MANAGE}

    @extend_schema(responses=listed(s.MemberOut))
    def get(self, request: Request) -> Response:
        return self.paged(queries.members_of(self.room.workspace), s.MemberOut, keys=("id",))

    @extend_schema(request=s.MemberIn, responses={201: s.InvitedOut})
    def post(self, request: Request) -> Response:
        """Invite somebody. The answer does not tell whether they have an account in this studio."""
        invited = members.add(self.room, **self.asked(s.MemberIn))
        link = settings.DUTO.url + invited.link if invited.link else None
        return Response({**person(invited.member), "sign_in_link": link}, status=201)

    def repeated(self, made: Member | Invitation) -> Response:
        if isinstance(made, Member):
            return Response({**person(made), "sign_in_link": None}, status=201)
        text = f"This request has invited '{made.username}' before, and the link is shown once. Invite them again for another."
        raise Conflict(text, code="shown_once", id=str(made.pk))


class InvitationsView(WorkspaceView):
    needs = {"get": Role.OWNER}
    acts = {"get": Act.MANAGE}

    @extend_schema(responses=listed(s.InvitationOut))
    def get(self, request: Request) -> Response:
        """Who was invited and has not come yet; an expired one ends by itself."""
        return self.paged(queries.invitations_of(self.room.workspace), s.InvitationOut, keys=("id",))


class MemberView(WorkspaceView):
    needs = {"patch": Role.OWNER, "delete": Role.OWNER}
    acts = {"patch": Act.MANAGE, "delete": Act.MANAGE}

    @extend_schema(request=s.MemberChange, responses=s.MemberOut)
    def patch(self, request: Request, id: UUID) -> Response:
        return Response(person(members.change_role(self.room, id, **self.asked(s.MemberChange))))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        members.remove(self.room, id)
        return Response(status=204)


def person(found: Member | Invitation) -> dict[str, Any]:
    """A member, or one who shall be: both by the same fields."""
    if isinstance(found, Member):
        return dict(s.MemberOut(found).data)
    told = s.InvitationOut(found).data
    return {name: told[name] for name in ("id", "username", "role", "created_at")}


def _caller(request: Request) -> tuple[User | None, ApiToken | None]:
    user = request.user if isinstance(request.user, User) else None
    return user, request.auth if isinstance(request.auth, ApiToken) else None
