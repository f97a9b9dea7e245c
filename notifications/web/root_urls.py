"""The address of links in mails, which work without signing in."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from notifications.web import links

urlpatterns: list[URLPattern | URLResolver] = [
    path("notifications/<str:token>/", links.follow, name="mail-link"),
]
