"""Addresses below `/w/<workspace>/settings/notifications/`: rules, channels, mutes and deliveries."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from notifications.web import channels, deliveries, pages

_notifications = [
    path("", pages.index, name="page"),
    path("address/", pages.address, name="address"),
    path("rules/new/", pages.create, name="create-rule"),
    path("rules/<uuid:rule_id>/", pages.edit, name="rule"),
    path("rules/<uuid:rule_id>/mute/", pages.mute_rule, name="mute-rule"),
    path("rules/<uuid:rule_id>/delete/", pages.delete, name="delete-rule"),
    path("mutes/", pages.mute, name="mute"),
    path("mutes/<uuid:mute_id>/delete/", pages.unmute, name="unmute"),
    path("channels/new/", channels.create, name="create-channel"),
    path("channels/<uuid:channel_id>/", channels.edit, name="channel"),
    path("channels/<uuid:channel_id>/test/", channels.test, name="test-channel"),
    path("channels/<uuid:channel_id>/key/", channels.new_key, name="new-key"),
    path("channels/<uuid:channel_id>/delete/", channels.delete, name="delete-channel"),
    path("deliveries/", deliveries.index, name="deliveries"),
    path("deliveries/<uuid:delivery_id>/", deliveries.detail, name="delivery"),
    path("deliveries/<uuid:delivery_id>/again/", deliveries.again, name="again"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/notifications/", include((_notifications, "notifications"))),
]
