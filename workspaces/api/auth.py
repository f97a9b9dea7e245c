"""How REST learns who is asking: a bearer token, or the studio's own session with its CSRF token."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from core.errors import Unauthenticated
from workspaces.access import beyond_endpoint
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
    """Somebody signed in, or a token. What they may do is asked where they enter a workspace.

    The token of an endpoint is refused at all addresses but those that say that they are for it.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        token = request.auth
        if isinstance(token, ApiToken):
            method = (request.method or "").lower().replace("head", "get")
            if token.scope and method not in getattr(view, "for_endpoint_tokens", ()):
                raise beyond_endpoint()
            return True
        return bool(request.user and request.user.is_authenticated)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Names the bearer token in the OpenAPI document."""

    target_class = "workspaces.api.auth.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A token of the page Settings."}
