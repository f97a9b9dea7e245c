"""Signing in and out, and passwords. The rest of what allauth offers leans on mail, by which this studio lets nobody in.

Its names stay: allauth links to them.
"""

from __future__ import annotations

from allauth.account import views
from django.urls import URLPattern, URLResolver, path

from workspaces.web.entrance import forgotten, no_such_page

urlpatterns: list[URLPattern | URLResolver] = [
    path("login/", views.login, name="account_login"),
    path("logout/", views.logout, name="account_logout"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("reauthenticate/", views.reauthenticate, name="account_reauthenticate"),
    path("password/change/", views.password_change, name="account_change_password"),
    path("password/set/", views.password_set, name="account_set_password"),
    path("password/reset/", forgotten, name="account_reset_password"),
    path("password/reset/done/", forgotten, name="account_reset_password_done"),
    path("password/reset/key/done/", forgotten, name="account_reset_password_from_key_done"),
    path("password/reset/key/<str:uidb36>-<path:key>/", forgotten, name="account_reset_password_from_key"),
    path("signup/", no_such_page, name="account_signup"),
    path("email/", no_such_page, name="account_email"),
    path("confirm-email/", no_such_page, name="account_email_verification_sent"),
    path("confirm-email/<str:key>/", no_such_page, name="account_confirm_email"),
    path("login/code/confirm/", no_such_page, name="account_confirm_login_code"),
]
