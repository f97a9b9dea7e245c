"""Addresses below `/w/<workspace>/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from datasets.web import one, register, staged, stores, views

_data = [
    path("", views.all_of_them, name="list"),
    path("register/", register.register, name="register"),
    path("register/preview/", register.preview, name="register-preview"),
    path("staged/<str:key>/<file:path>", staged.file, name="staged"),
    path("stores/", stores.all_of_them, name="stores"),
    path("stores/<str:name>/", stores.browse, name="store"),
    path("stores/<str:name>/file/", stores.download, name="store-file"),
    path("unregister/<path:name>/", one.unregister, name="unregister"),
    path("read/<path:name>/", one.read_again, name="read"),
    path("cancel/<path:name>/", one.cancel, name="cancel"),
    path("about/<path:name>/", one.about, name="about"),
    path("sets/<path:name>/", one.dataset, name="dataset"),
]
urlpatterns: list[URLPattern | URLResolver] = [path("data/", include((_data, "datasets")))]
