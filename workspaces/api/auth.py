"""How REST learns who is asking: a bearer token, or the studio's own session with its CSRF token."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from core.errors import Unauthenticated
from workspaces.models import ApiToken, User
from workspaces.services import tokens


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer duto_...`. Without the header the next way in is tried."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, ApiToken] | None:
        kind, _, text = request.headers.get("Authorization", "").partition(" ")
        if not kind:
            return None
        if kind.lower() != "bearer" or not text.strip():
            raise Unauthenticated("The header is 'Authorization: Bearer <token>'.", code="bad_token")
        token = tokens.verify(text.strip())
        return token.user or AnonymousUser(), token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="duto"'


class IsKnown(BasePermission):
    """Somebody signed in, or a token. What they may do is asked where they enter a workspace."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, ApiToken) or bool(request.user and request.user.is_authenticated)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Names the bearer token in the OpenAPI document."""

    target_class = "workspaces.api.auth.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A token of the page Settings."}
