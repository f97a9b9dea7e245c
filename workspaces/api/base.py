"""What every REST view starts with: who may call it stands in `needs`, method by method."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import CharField, Serializer
from rest_framework.views import APIView

from core.errors import Invalid
from core.paging import page_of
from workspaces.access import Room, enter
from workspaces.models import Role
from workspaces.scopes import Act

T = TypeVar("T", bound=Model)
METHODS = ("get", "post", "put", "patch", "delete")
Out = type[Serializer[Any]] | Callable[[Any], Any]


@cache
def listed(out: type[Serializer[Any]]) -> type[Serializer[Any]]:
    """How the OpenAPI document shows one page of a list."""
    fields = {"items": out(many=True), "next": CharField(allow_null=True)}
    return type(f"{out.__name__}List", (Serializer,), fields)


class StudioView(APIView):
    """A view outside of any workspace: it needs a known caller, and nothing more."""

    # Declared so that a test can walk every address with every role. Empty: any known caller.
    needs: ClassVar[dict[str, Role]] = {}
    # Methods whose bodies are files: they may be as large as DUTO_UPLOAD_MAX_BYTES.
    takes_files: ClassVar[frozenset[str]] = frozenset()

    def asked(self, serializer: type[Serializer[Any]]) -> dict[str, Any]:
        """The body as that serializer reads it. Raises a refusal that names the field."""
        reader = serializer(data=self.request.data)
        reader.is_valid(raise_exception=True)
        return dict(reader.validated_data)

    def paged(self, rows: QuerySet[T], out: Out, keys: tuple[str, ...] = ("-id",)) -> Response:
        """One page of a list, as `?limit=` and `?after=` ask for it."""
        query = self.request.query_params
        found = page_of(rows, after=query.get("after"), limit=query.get("limit"), keys=keys)
        return Response({"items": self.shown(found.items, out), "next": found.next})

    def shown(self, items: Iterable[Any], out: Out) -> list[Any]:
        if isinstance(out, type):
            return list(out(items, many=True, context={"request": self.request}).data)
        return [out(item) for item in items]

    def number(self, name: str, default: int, least: int = 0, most: int | None = None) -> int:
        """A number of the query string. Raises Invalid."""
        text = self.request.query_params.get(name)
        if text is None or text == "":
            return default
        try:
            value = int(text)
        except ValueError as error:
            raise Invalid(f"'{name}' is a whole number, not {text!r}.") from error
        if value < least or (most is not None and value > most):
            raise Invalid(f"'{name}' is a number from {least} to {'any' if most is None else most}, not {value}.")
        return value

    def flag(self, name: str) -> bool:
        return self.request.query_params.get(name, "").lower() in ("1", "true", "yes")


class WorkspaceView(StudioView):
    """A view below `workspaces/<workspace>/`. Who is no member gets 404, whose role is too small gets 403.

    `self.room` is entered before the method runs; the methods themselves do not get the workspace's name.
    """

    # What each method is for a run's token (workspaces.scopes); looking is Act.READ where nothing else is said.
    acts: ClassVar[dict[str, Act]] = {}
    room: Room

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        undeclared = [name for name in METHODS if hasattr(cls, name) and name not in cls.needs]
        if undeclared:
            raise TypeError(f"{cls.__qualname__} does not say in `needs` which role may {', '.join(undeclared)}.")
        unnamed = [name for name in METHODS if name != "get" and hasattr(cls, name) and name not in cls.acts]
        if unnamed:
            raise TypeError(f"{cls.__qualname__} does not say in `acts` what {', '.join(unnamed)} is for a step.")

    def dispatch(self, request: HttpRequest, *args: Any, workspace: str = "", **kwargs: Any) -> HttpResponseBase:
        self.workspace_name = workspace
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        method = (request.method or "get").lower()
        asked = "get" if method == "head" else method
        self.room = enter(request, self.workspace_name, needs=self.needs.get(asked, Role.READER))
        self.room.require_act(self.acts.get(asked, Act.READ))
