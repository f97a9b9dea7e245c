"""The one websocket of a page."""

from __future__ import annotations

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class WorkspaceConsumer(AsyncJsonWebsocketConsumer):
    """Carries what the page subscribes to."""
