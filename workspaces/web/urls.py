"""Addresses below `/w/<workspace>/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from workspaces.web import auditing, members, secrets, settings, tokens

_settings = [
    path("", settings.overview, name="settings"),
    path("people/", members.people, name="people"),
    path("people/link/", members.make_link, name="make-link"),
    path("members/add/", members.add, name="add-member"),
    path("members/<uuid:member_id>/", members.member, name="member"),
    path("members/<uuid:member_id>/role/", members.change_role, name="change-role"),
    path("members/<uuid:member_id>/remove/", members.remove, name="remove-member"),
    path("members/<uuid:member_id>/withdraw/", members.withdraw, name="withdraw-invitation"),
    path("audit/", auditing.page, name="audit"),
    path("audit/file/", auditing.file, name="audit-file"),
    path("audit/days/", auditing.keep, name="audit-days"),
    path("run-token-scope/", settings.run_token_scope, name="run-token-scope"),
    path("secrets/set/", secrets.put, name="set-secret"),
    path("secrets/<slug:name>/delete/", secrets.delete, name="delete-secret"),
    path("tokens/create/", tokens.create, name="create-token"),
    path("tokens/<uuid:token_id>/revoke/", tokens.revoke, name="revoke-token"),
    path("config.json", settings.config_file, name="config"),
]
urlpatterns: list[URLPattern | URLResolver] = [path("settings/", include((_settings, "workspaces")))]
