"""Addresses below `/w/<workspace>/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from datasets.web import datasets, differences, profiles, register, registration, stores

_data = [
    path("", datasets.index, name="list"),
    path("register/", register.register, name="register"),
    path("register/preview/", register.preview, name="register-preview"),
    path("staged/<str:key>/<file:path>", register.file, name="staged"),
    path("stores/", stores.index, name="stores"),
    path("new-store/", registration.create, name="new-store"),
    path("stores/<str:name>/", stores.browse, name="store"),
    path("stores/<str:name>/credentials/", registration.credentials, name="store-credentials"),
    path("stores/<str:name>/test/", registration.test, name="test-store"),
    path("stores/<str:name>/unregister/", registration.unregister, name="unregister-store"),
    path("stores/<str:name>/file/", stores.download, name="store-file"),
    path("unregister/<path:name>/", datasets.unregister, name="unregister"),
    path("read/<path:name>/", datasets.read_again, name="read"),
    path("cancel/<path:name>/", datasets.cancel, name="cancel"),
    path("start-profile/<path:name>/", profiles.start, name="start-profile"),
    path("cancel-profile/<path:name>/", profiles.cancel, name="cancel-profile"),
    path("start-differences/<path:name>/", differences.start, name="start-differences"),
    path("differences/<path:name>/", differences.index, name="differences"),
    path("profile/<path:name>/", profiles.profile, name="profile"),
    path("about/<path:name>/", datasets.about, name="about"),
    path("sets/<path:name>/", datasets.detail, name="dataset"),
]
urlpatterns: list[URLPattern | URLResolver] = [path("data/", include((_data, "datasets")))]
