"""Addresses below `/w/<workspace>/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from workspaces.web import settings, tokens

_settings = [
    path("", settings.overview, name="settings"),
    path("members/add/", settings.add_member, name="add-member"),
    path("members/<uuid:member_id>/role/", settings.change_role, name="change-role"),
    path("members/<uuid:member_id>/remove/", settings.remove_member, name="remove-member"),
    path("members/<uuid:member_id>/withdraw/", settings.withdraw, name="withdraw-invitation"),
    path("run-token-scope/", settings.run_token_scope, name="run-token-scope"),
    path("tokens/create/", tokens.create, name="create-token"),
    path("tokens/<uuid:token_id>/revoke/", tokens.revoke, name="revoke-token"),
    path("config.json", settings.config_file, name="config"),
]
urlpatterns: list[URLPattern | URLResolver] = [path("settings/", include((_settings, "workspaces")))]
