"""What every REST view starts with: who may call it stands in `needs`, method by method."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial, wraps
from typing import Any, ClassVar, TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import CharField, Serializer
from rest_framework.views import APIView

from core import encryption, once, strictness
from core.errors import Invalid, NotFound
from core.models import IdempotencyKey
from core.paging import page_of
from core.storage import CHUNK
from workspaces.access import WorkspaceContext, authorize
from workspaces.models import Role
from workspaces.scopes import Act
from workspaces.services import edits, usage

T = TypeVar("T", bound=Model)
Handler = Callable[..., Response]
YES, NO = ("1", "true", "yes"), ("", "0", "false", "no")
FORM = "multipart/form-data"
METHODS = ("get", "post", "put", "patch", "delete")
Out = type[Serializer[Any]] | Callable[[Any], Any]


@cache
def listed(out: type[Serializer[Any]]) -> type[Serializer[Any]]:
    """How the OpenAPI document shows one page of a list."""
    fields = {"items": out(many=True), "next": CharField(allow_null=True)}
    return type(f"{out.__name__}List", (Serializer,), fields)


def keyed(handler: Handler) -> Handler:
    """The method of a view, carried out once for each key that a caller sends."""

    @wraps(handler)
    def inner(view: StudioView, request: Request, *args: Any, **names: Any) -> Response:
        key = request.headers.get(once.HEADER)
        if key is None:
            return handler(view, request, *args, **names)
        try:
            by_answer = type(view).repeated is StudioView.repeated  # else its service settles what it makes
            is_upload = _is_raw(view, request)  # its service settles when the bytes are there
            read = partial(_digest_of, request) if is_upload else None
            with once.asking(view.keys_of, key, _fingerprint(request), by_answer=by_answer, read=read):
                if by_answer and not is_upload:
                    return _kept(handler, view, request, *args, **names)
                return handler(view, request, *args, **names)
        except once.Repeated as done:
            return view.again(done.kept)

    return inner


def _kept(handler: Handler, view: StudioView, *args: Any, **names: Any) -> Response:
    with transaction.atomic():
        answer = handler(view, *args, **names)
        once.settle(status=answer.status_code, body=json.loads(JSONRenderer().render(answer.data) or b"null"))
    return answer


def _fingerprint(request: Request) -> str:
    """What is asked for. The bytes of a file count once they were read (core.once): here it is their length."""
    seen = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    if request.content_type.startswith("application/json"):
        seen.update(request._request.body)
    elif request.content_type.startswith(FORM):
        seen.update(_form_of(request))
    else:
        seen.update(request.headers.get("Content-Length", "").encode())
    # Keyed, since it is kept: nobody may try secrets against it that the request had.
    return encryption.keyed_digest(seen.digest(), b"request")


def _form_of(request: Request) -> bytes:
    """Fields and files of a form, which lie on the disk already; the text between them is another each time."""
    files = [[name, each.name, _digest(each.chunks(CHUNK))] for name, some in request.FILES.lists() for each in some]
    for _name, some in request.FILES.lists():
        for each in some:
            each.seek(0)
    return json.dumps([sorted(request._request.POST.lists()), sorted(files)]).encode()


def _is_raw(view: StudioView, request: Request) -> bool:
    """Whether the body is a file as it is."""
    is_document = (request.content_type or "").startswith(("application/json", FORM))
    return (request.method or "").lower() in view.takes_files and not is_document


def _digest_of(request: Request) -> str:
    """The sha256 of a raw body, read in pieces to its end."""
    return _digest(iter(partial(request._request.read, CHUNK), b""))


def _digest(pieces: Iterable[bytes]) -> str:
    seen = hashlib.sha256()
    for piece in pieces:
        seen.update(piece)
    return seen.hexdigest()


class StudioView(APIView):
    """A view outside of any workspace: it needs a known caller, and nothing more."""

    # Declared so that a test can walk every address with every role. Empty: any known caller.
    needs: ClassVar[dict[str, Role]] = {}
    # Methods whose bodies are files: they may be as large as DUTO_UPLOAD_MAX_BYTES.
    takes_files: ClassVar[frozenset[str]] = frozenset()

    # Methods that are for the token of an endpoint, too; the method itself asks which endpoint or run is meant.
    for_endpoint_tokens: ClassVar[frozenset[str]] = frozenset()

    # True where programs of elsewhere have long been sending texts for numbers, and the other way round.
    is_lenient: ClassVar[bool] = False

    @property
    def keys_of(self) -> str:
        """Whose idempotency keys are meant here."""
        raise NotImplementedError(f"{type(self).__qualname__} keeps no keys.")

    def repeated(self, made: Any) -> Response | None:
        """The answer to a request whose key made this row before. None: the view settles no row (core.once)."""
        return None

    def again(self, kept: IdempotencyKey) -> Response:
        """What a request is answered that was carried out before."""
        made = once.made_by(kept) if kept.made else None
        if kept.made and made is None:
            raise NotFound("What this request made before is no longer there.", code="gone")
        answer = (self.repeated(made) if made is not None else None) or Response(kept.body, status=kept.status)
        answer["Idempotent-Replayed"] = "true"
        return answer

    @property
    def seen(self) -> edits.Seen:
        """In which state the caller has seen what the request changes. Raises Invalid."""
        return edits.read_if_match(self.request.headers.get("If-Match"))

    def tagged(self, document: Any, state: Mapping[str, Any]) -> Response:
        """The document of a thing, with the entity tag of what may be edited of it."""
        return Response(document, headers={"ETag": f'"{edits.etag(state)}"'})

    def asked(self, serializer: type[Serializer[Any]]) -> dict[str, Any]:
        """The body as that serializer reads it. Raises a refusal that names the field."""
        reader = serializer(data=self.request.data)
        if not self.is_lenient and (self.request.content_type or "").startswith("application/json"):
            strictness.check(reader, self.request.data)
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
        if text is None:
            return default
        try:
            value = int(text)
        except ValueError as error:
            raise Invalid(f"'{name}' is a whole number, not {text!r}.") from error
        if value < least or (most is not None and value > most):
            raise Invalid(f"'{name}' is a number from {least} to {'any' if most is None else most}, not {value}.")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """A yes or no of the query string; without it `default`. Raises Invalid."""
        text = self.request.query_params.get(name, "").lower()
        if text not in (*YES, *NO):
            raise Invalid(f"'{name}' is 1 or 0, not {text[:40]!r}.")
        return text in YES if text else default


class RawAnswers(APIView):
    """Answers with bytes, whatever the client says that it accepts."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force=True)


class WorkspaceView(StudioView):
    """A view below `workspaces/<workspace>/`. Who is no member gets 404, whose role is too small gets 403.

    `self.context` is entered before the method runs; the methods themselves do not get the workspace's name.
    """

    # What each method is for a run's token (workspaces.scopes); looking is Act.READ where nothing else is said.
    acts: ClassVar[dict[str, Act]] = {}
    # False where doing it again by itself does nothing more, so that a key would be written for nothing.
    keeps_keys: ClassVar[bool] = True
    # Methods that work in an archived workspace, too; looking always does.
    in_archive: ClassVar[frozenset[str]] = frozenset()
    # Methods that change a thing only as long as `If-Match` names its state.
    conditional: ClassVar[frozenset[str]] = frozenset()
    context: WorkspaceContext

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        undeclared = [name for name in METHODS if hasattr(cls, name) and name not in cls.needs]
        if undeclared:
            raise TypeError(f"{cls.__qualname__} does not say in `needs` which role may {', '.join(undeclared)}.")
        unnamed = [name for name in METHODS if name != "get" and hasattr(cls, name) and name not in cls.acts]
        if unnamed:
            raise TypeError(f"{cls.__qualname__} does not say in `acts` what {', '.join(unnamed)} is for a step.")
        if "post" in cls.__dict__ and cls.keeps_keys:
            cls.post = keyed(cls.__dict__["post"])  # type: ignore[attr-defined]

    def dispatch(self, request: HttpRequest, *args: Any, workspace: str = "", **kwargs: Any) -> HttpResponseBase:
        self.workspace_name = workspace
        return super().dispatch(request, *args, **kwargs)

    @property
    def keys_of(self) -> str:
        return self.context.keys_of

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        method = (request.method or "get").lower()
        asked = "get" if method == "head" else method
        archived_too = asked in ("get", "options") or asked in self.in_archive
        needs = self.needs.get(asked, Role.READER)
        self.context = authorize(request, self.workspace_name, needs=needs, archived_too=archived_too)
        if self.context.user is not None and not self.context.is_run:
            usage.note_seen(self.context.workspace.pk, self.context.user.pk)
        self.context.require_act(self.acts.get(asked, Act.READ))
        if "If-Match" in request.headers and asked in ("patch", "put", "delete") and asked not in self.conditional:
            raise Invalid("This address takes no 'If-Match': nothing of it is compared.", code="bad_if_match")
