"""What the web process serves: HTTP for Django, one websocket for live pages."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

import django

# Loads the apps, so it comes before anything that imports a model.
django.setup(set_prefix=False)

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.urls import path

from studio.forwarded import Forwarded
from studio.handlers import by_path
from studio.limits import Guard
from workspaces.consumers import WorkspaceConsumer

_live = URLRouter([path("ws/", WorkspaceConsumer.as_asgi())])
application = Forwarded(
    Guard(
        ProtocolTypeRouter(
            {
                "http": by_path(),
                "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(_live)),
            }
        )
    ),
    trusted=settings.DUTO.trust_proxy,
)
