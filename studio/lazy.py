"""Addresses that are imported when they are first asked for.

The REST interface brings a third of what the web process imports, and neither the first page nor the worker needs any
of it. It relies on private parts of Django's resolver, to which tests/test_imports.py holds the Django that is installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.urls import URLPattern, URLResolver
from django.urls.resolvers import RoutePattern
from django.utils.datastructures import MultiValueDict
from django.utils.functional import cached_property
from django.utils.translation import get_language


class LazyInclude(URLResolver):
    """`include` of several modules below one prefix, in a namespace of their own.

    The namespace is what makes it possible: a name outside of it can be reversed without looking inside.
    """

    def __init__(self, prefix: str, modules: tuple[str, ...], namespace: str) -> None:
        super().__init__(RoutePattern(prefix), [], app_name=namespace, namespace=namespace)
        self.modules = modules

    @cached_property
    def urlconf_module(self) -> list[URLPattern | URLResolver]:
        """The patterns of all modules: the first look imports them."""
        return [pattern for name in self.modules for pattern in import_module(name).urlpatterns]

    def _populate(self) -> None:
        """Called for every resolver when anything is reversed; what is in here is found by its namespace."""
        language = get_language()
        inside: dict[str, Any] = vars(self)
        inside["_reverse_dict"][language] = MultiValueDict()
        inside["_namespace_dict"][language] = {}
        inside["_app_dict"][language] = {}
