"""Addresses below `/api/v1/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from notifications.api import views

N = "workspaces/<slug:workspace>/notifications/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{N}rules/", views.RulesView.as_view(), name="api-notification-rules"),
    path(f"{N}rules/<uuid:id>/", views.RuleView.as_view(), name="api-notification-rule"),
    path(f"{N}channels/", views.ChannelsView.as_view(), name="api-notification-channels"),
    path(f"{N}channels/<uuid:id>/", views.ChannelView.as_view(), name="api-notification-channel"),
    path(f"{N}channels/<uuid:id>/test/", views.TestView.as_view(), name="api-notification-test"),
    path(f"{N}channels/<uuid:id>/key/", views.KeyView.as_view(), name="api-notification-key"),
    path(f"{N}mutes/", views.MutesView.as_view(), name="api-notification-mutes"),
    path(f"{N}mutes/<uuid:id>/", views.MuteView.as_view(), name="api-notification-mute"),
    path(f"{N}deliveries/", views.DeliveriesView.as_view(), name="api-deliveries"),
    path(f"{N}deliveries/<uuid:id>/", views.DeliveryView.as_view(), name="api-delivery"),
    path(f"{N}deliveries/<uuid:id>/again/", views.AgainView.as_view(), name="api-delivery-again"),
]
