"""The caller, their workspaces, their tokens, the members."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Conflict
from core.serving import stream
from workspaces import queries
from workspaces.access import hold
from workspaces.api import serializers as s
from workspaces.api.base import StudioView, WorkspaceView, listed
from workspaces.models import ApiToken, Invitation, Member, Role, User, Workspace
from workspaces.scopes import Act
from workspaces.services import auditing, edits, invitations, keyvault, members, removal, tokens, workspaces

VERSION = "0.1.0"
MOMENT = {
    "anyOf": [
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "enum": [""]},
    ]
}
AUDIT_QUERY = [
    OpenApiParameter("person", str, description="Whose actions."),
    OpenApiParameter("action", str, description="What was done, such as `member.removed`; `member.` is all of a sort."),
    OpenApiParameter("since", MOMENT, description="A day or a time, inclusive."),
    OpenApiParameter("until", MOMENT, description="A day or a time, exclusive."),
]
CONFIRM = OpenApiParameter("confirm", str, required=True, description="The workspace's name.")


class RootView(StudioView):
    """What this is; also for those who are not signed in yet."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(responses=s.RootOut)
    def get(self, request: Request) -> Response:
        """One workspace, and the caller's role in it."""
        return Response({"name": "duto", "version": VERSION, "api": 1})


class MeView(StudioView):
    @extend_schema(responses=s.MeOut)
    def get(self, request: Request) -> Response:
        """Who asks: the person, the role and the workspaces of this token or session."""
        user, token = caller(request)
        found = list(queries.workspaces_of(user, token).order_by("workspace__name"))
        name = user.username if user else token.name if token else ""
        # A step needs to know its workspace; how to write to its submitter is a person's matter.
        is_step = token is not None and token.kind == ApiToken.Kind.RUN
        email = user.email if user and not is_step else None
        me = {"user": user, "username": name, "email": email, "token": token, "workspaces": found}
        return Response(s.MeOut(me).data)


class WorkspaceDetailView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.OWNER, "delete": Role.OWNER}
    acts = {"patch": Act.MANAGE, "delete": Act.MANAGE}
    in_archive = frozenset({"delete"})
    conditional = frozenset({"patch"})

    @extend_schema(responses=s.WorkspaceOut)
    def get(self, request: Request) -> Response:
        """One workspace, and the caller's role in it."""
        return self._shown(self.context.workspace)

    @extend_schema(request=s.WorkspaceChange, responses=s.WorkspaceOut)
    def patch(self, request: Request) -> Response:
        """Change what is named; all of it or nothing."""
        asked = self.asked(s.WorkspaceChange)
        with transaction.atomic():
            held = hold(self.context).workspace
            edits.require_unchanged(self.seen, workspaces.state(held), held)
            self._settings(asked)
            workspace = workspaces.change(self.context, **asked) if asked else self.context.workspace
        return self._shown(workspace)

    def _shown(self, workspace: Workspace) -> Response:
        document = s.WorkspaceOut(Member(workspace=workspace, role=self.context.role)).data
        return self.tagged(document, workspaces.state(workspace))

    def _settings(self, asked: dict[str, Any]) -> None:
        if (limits := asked.pop("limits", None)) is not None:
            workspaces.set_limits(self.context, limits)
        if "audit_days" in asked:
            workspaces.set_audit_days(self.context, asked.pop("audit_days"))
        if (scope := asked.pop("run_token_scope", None)) is not None:
            workspaces.set_run_token_scope(self.context, scope)

    @extend_schema(request=None, parameters=[CONFIRM], responses={204: None})
    def delete(self, request: Request) -> Response:
        """Delete the workspace with all that it keeps. It is gone for everybody at once; a worker removes the rest."""
        removal.delete(self.context, request.query_params.get("confirm", ""))
        return Response(status=204)


class ArchiveView(WorkspaceView):
    needs = {"post": Role.OWNER}
    acts = {"post": Act.MANAGE}
    in_archive = frozenset({"post"})
    keeps_keys = False

    @extend_schema(operation_id="workspace_archive", request=s.ArchiveIn, responses=s.WorkspaceOut)
    def post(self, request: Request) -> Response:
        """Archive the workspace, so that it can only be read, or bring it back."""
        workspace = workspaces.set_archived(self.context, self.asked(s.ArchiveIn)["archived"])
        return Response(s.WorkspaceOut(Member(workspace=workspace, role=self.context.role)).data)


class HandOverView(WorkspaceView):
    needs = {"post": Role.OWNER}
    acts = {"post": Act.MANAGE}
    in_archive = frozenset({"post"})
    keeps_keys = False

    @extend_schema(operation_id="workspace_hand_over", request=s.HandOverIn, responses=s.MemberOut)
    def post(self, request: Request) -> Response:
        """Make another member the owner in one's own place. Not with a token."""
        return Response(s.MemberOut(members.transfer(self.context, self.asked(s.HandOverIn)["member"])).data)


class LeaveView(WorkspaceView):
    needs = {"post": Role.READER}
    acts = {"post": Act.MANAGE}
    in_archive = frozenset({"post"})
    keeps_keys = False

    @extend_schema(operation_id="workspace_leave", request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        """Leave the workspace. Not with a token."""
        members.leave(self.context)
        return Response(status=204)


class SecretsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.CHANGE}
    # Setting again does nothing more, and what a key keeps of a request is not to know of values.
    keeps_keys = False

    @extend_schema(operation_id="secrets", responses=listed(s.SecretOut))
    def get(self, request: Request) -> Response:
        """The secrets by name. No value is told here."""
        return self.paged(keyvault.secrets_of(self.context), s.SecretOut, keys=("id",))

    @extend_schema(operation_id="secrets_set", request=s.SecretsIn, responses={204: None})
    def post(self, request: Request) -> Response:
        """Set secrets, new or in place of what they were; all of them or none."""
        asked = self.asked(s.SecretsIn)
        keyvault.set_values(self.context, asked["secrets"], asked.get("content_types"))
        return Response(status=204)


class SecretValuesView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.READ}
    in_archive = frozenset({"post"})
    # The answer would be kept with the key, in clear.
    keeps_keys = False

    @extend_schema(operation_id="secret_values", request=s.SecretNamesIn, responses=s.SecretValuesOut)
    def post(self, request: Request) -> Response:
        """The values of secrets. Each that is given is written into the audit, which is why this is no GET."""
        found = keyvault.read_values(self.context, self.asked(s.SecretNamesIn)["names"])
        return Response({"secrets": found}, headers={"Cache-Control": "no-store"})


class SecretView(WorkspaceView):
    needs = {"delete": Role.CONTRIBUTOR}
    acts = {"delete": Act.CHANGE}
    in_archive = frozenset({"delete"})

    @extend_schema(operation_id="secret_delete", responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Delete a secret. There is no way back."""
        keyvault.delete(self.context, name)
        return Response(status=204)


class AuditView(WorkspaceView):
    needs = {"get": Role.OWNER}
    acts = {"get": Act.MANAGE}

    @extend_schema(operation_id="audit", parameters=AUDIT_QUERY, responses=listed(s.AuditOut))
    def get(self, request: Request) -> Response:
        """Who did what, newest first."""
        return self.paged(auditing.entries(self.context, audit_filter(request)), auditing.document)


class AuditFileView(WorkspaceView):
    needs = {"get": Role.OWNER}
    acts = {"get": Act.MANAGE}

    @extend_schema(
        operation_id="audit_file",
        parameters=[*AUDIT_QUERY, OpenApiParameter("kind", str, enum=["", *auditing.FORMATS], default="csv")],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The same as a file, all of it, sent while it is read."""
        kind = request.query_params.get("kind") or "csv"
        pieces = auditing.export(auditing.entries(self.context, audit_filter(request)), kind)
        name = f"audit-{self.context.workspace.name}.{kind}"
        return stream(request._request, pieces, name, auditing.FORMATS[kind], as_file=True)


class TokensView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.READER}
    acts = {"get": Act.MANAGE, "post": Act.MANAGE}

    @extend_schema(responses=listed(s.TokenOut))
    def get(self, request: Request) -> Response:
        """The caller's tokens; an owner sees those of all members."""
        return self.paged(queries.tokens_of(self.context), s.TokenOut)

    @extend_schema(request=s.TokenIn, responses={201: s.MintedOut})
    def post(self, request: Request) -> Response:
        """Make a token. Its text is told here and never again."""
        minted = tokens.create(self.context, **self.asked(s.TokenIn))
        return Response({**s.TokenOut(minted.token).data, "token": minted.text}, status=201)

    def repeated(self, made: ApiToken) -> Response:
        text = f"This request has made the token '{made.name}' before, and its text is shown once. Revoke it and make another."
        raise Conflict(text, code="shown_once", id=str(made.pk))


class TokenView(WorkspaceView):
    needs = {"delete": Role.READER}
    acts = {"delete": Act.MANAGE}
    in_archive = frozenset({"delete"})

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        """End a token, and those that were made with it."""
        tokens.revoke(self.context, id)
        return Response(status=204)


class MembersView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.OWNER}
    acts = {"get": Act.MANAGE, "post": Act.MANAGE}

    @extend_schema(responses=listed(s.MemberOut))
    def get(self, request: Request) -> Response:
        """Who belongs to the workspace, and in which role."""
        return self.paged(queries.members_of(self.context.workspace), s.MemberOut, keys=("id",))

    @extend_schema(request=s.MemberIn, responses={201: s.InvitedOut})
    def post(self, request: Request) -> Response:
        """Invite somebody. The answer does not tell whether they have an account in this studio."""
        invited = members.add(self.context, **self.asked(s.MemberIn))
        link = settings.DUTO.url + invited.link if invited.link else None
        return Response({**person(invited.member), "sign_in_link": link}, status=201)

    def repeated(self, made: Member | Invitation) -> Response:
        if isinstance(made, Member):
            return Response({**person(made), "sign_in_link": None}, status=201)
        text = f"This request has invited '{made.username}' before, and the link is shown once. Invite them again for another."
        raise Conflict(text, code="shown_once", id=str(made.pk))


class InvitationsView(WorkspaceView):
    needs = {"get": Role.OWNER, "post": Role.OWNER}
    acts = {"get": Act.MANAGE, "post": Act.MANAGE}

    @extend_schema(responses=listed(s.InvitationOut))
    def get(self, request: Request) -> Response:
        """Who was invited and has not come yet; an expired one ends by itself."""
        return self.paged(queries.invitations_of(self.context.workspace), s.InvitationOut, keys=("id",))

    @extend_schema(operation_id="invitation_link", request=s.LinkIn, responses={201: s.LinkOut})
    def post(self, request: Request) -> Response:
        """A link that lets in whoever holds it: for people who have no account yet."""
        made, link = invitations.invite_open(self.context, **self.asked(s.LinkIn))
        return Response({**s.InvitationOut(made).data, "link": settings.DUTO.url + link}, status=201)

    def repeated(self, made: Invitation) -> Response:
        text = "This request has made a link before, and it is shown once. Withdraw it and make another."
        raise Conflict(text, code="shown_once", id=str(made.pk))


class MemberEndsView(WorkspaceView):
    needs = {"get": Role.OWNER}
    acts = {"get": Act.MANAGE}

    @extend_schema(
        operation_id="member_ends",
        parameters=[OpenApiParameter("role", str, description="The new role; without it the member is removed.")],
        responses=s.EndsOut,
    )
    def get(self, request: Request, id: UUID) -> Response:
        """How much of theirs would end with a smaller role, or with their removal."""
        return Response(members.ends_with(self.context, id, request.query_params.get("role")))


class MemberTokensView(WorkspaceView):
    needs = {"get": Role.OWNER}
    acts = {"get": Act.MANAGE}

    @extend_schema(operation_id="member_tokens", responses=listed(s.TokenOut))
    def get(self, request: Request, id: UUID) -> Response:
        """The tokens of a member: names and ends."""
        return self.paged(queries.tokens_of_member(self.context, id), s.TokenOut)


class MemberView(WorkspaceView):
    needs = {"patch": Role.OWNER, "delete": Role.OWNER}
    acts = {"patch": Act.MANAGE, "delete": Act.MANAGE}
    in_archive = frozenset({"patch", "delete"})

    @extend_schema(request=s.MemberChange, responses=s.MemberOut)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change the role. What leans on a larger one ends."""
        return Response(person(members.change_role(self.context, id, **self.asked(s.MemberChange))))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        """Take somebody out. Their tokens and what those started end."""
        members.remove(self.context, id)
        return Response(status=204)


def audit_filter(request: Request) -> auditing.Filter:
    """What the address asks for. Raises Invalid."""
    asked = request.query_params
    return auditing.read_filter(*(asked.get(name, "") for name in ("person", "action", "since", "until")))


def person(found: Member | Invitation) -> dict[str, Any]:
    """A member, or one who shall be: both by the same fields."""
    if isinstance(found, Member):
        return dict(s.MemberOut(found).data)
    document = s.InvitationOut(found).data
    return {**{name: document[name] for name in ("id", "username", "role", "created_at")}, "last_seen_at": None}


def caller(request: Request) -> tuple[User | None, ApiToken | None]:
    """The person, and the token that asks for them."""
    user = request.user if isinstance(request.user, User) else None
    return user, request.auth if isinstance(request.auth, ApiToken) else None
