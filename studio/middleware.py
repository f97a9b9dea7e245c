"""What every answer says to the browser about what it may load, in which language, and which addresses nobody can mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import get_supported_language_variant
from django.utils.translation import gettext as _

from core.answers import document_of
from core.errors import Invalid
from core.text import clean
from core.words import size_text
from workspaces.web import responses

HEADER = "Content-Security-Policy"
APIS = ("/api/", "/agent/")
# Where the address is the key.
SECRET_ADDRESSES = ("/forms/",)
OF_THE_BODY = ("content-type", "content-length", "content-encoding", "content-disposition")


def policy(host: str) -> str:
    """The strict policy: all from here, nothing inline. Safari needs the socket's address spelled out."""
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "font-src 'self'",
            f"connect-src 'self' ws://{host} wss://{host}",
            "worker-src 'self'",
            "frame-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class EitherWay:
    """A middleware that stands in the way of synchronous and of asynchronous answers."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)


class SecureHeaders(EitherWay):
    """Adds the policy, unless a view has set a stricter one of its own (user files in a sandbox)."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if iscoroutinefunction(self.get_response):
            return cast(HttpResponse, self._later(request))
        return self._add(request, self.get_response(request))

    async def _later(self, request: HttpRequest) -> HttpResponse:
        return self._add(request, await self.get_response(request))  # type: ignore[misc]

    @staticmethod
    def _add(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        # The Host header was checked by Django before any view that could reflect it;
        # an odd one must not be able to write into the policy.
        host = request.headers.get("host", "")
        safe = host if all(c.isalnum() or c in ".-:[]" for c in host) else ""
        response.headers.setdefault(HEADER, policy(safe))
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        if request.path.startswith(SECRET_ADDRESSES):
            _hide(response)
        return response


def _hide(response: HttpResponse) -> None:
    """No search engine keeps it, no cache, and no other site is told of it; also of what is refused before a view is asked.

    The policy is not `no-referrer`, with which a browser would say of no form where it comes from.
    """
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response.headers["Referrer-Policy"] = "same-origin"
    patch_cache_control(response, private=True, no_cache=True, no_store=True)
    patch_vary_headers(response, ["Cookie", "Accept-Language"])


class Language(LocaleMiddleware):
    """Pages speak the reader's language: by their own choice, else by what the browser asks for.

    Programs get English whatever they send, unless the script of a page asks by `Duto-Language`.
    """

    def process_request(self, request: HttpRequest) -> None:
        if not request.path.startswith("/api/"):
            super().process_request(request)
            return
        try:
            language = get_supported_language_variant(request.headers.get("Duto-Language", ""))
        except (LookupError, ValueError):
            language = settings.LANGUAGE_CODE
        translation.activate(language)
        request.LANGUAGE_CODE = language

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """The language ends with the request: what the same thread does next is not for this reader."""
        answer = super().process_response(request, response)
        translation.deactivate()
        return answer


class ErrorDocuments(EitherWay):
    """The API answers its error document, also where Django refused before a view was asked, or none was found."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if iscoroutinefunction(self.get_response):
            return cast(HttpResponse, self._later(request))
        return self._as_document(request, self.get_response(request))

    async def _later(self, request: HttpRequest) -> HttpResponse:
        return self._as_document(request, await self.get_response(request))  # type: ignore[misc]

    @staticmethod
    def _as_document(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        is_ours = response.headers.get("Content-Type", "").startswith("application/json")
        if response.status_code < 400 or is_ours or not request.path.startswith(APIS):
            return response
        document = JsonResponse(document_of(response.status_code), status=response.status_code)
        for name, value in response.headers.items():
            if name.lower() not in OF_THE_BODY:
                document.headers[name] = value
        document._resource_closers += response._resource_closers  # type: ignore[attr-defined]
        return document


class Refusals(EitherWay):
    """Shows a person as a page that the body was refused before it was read (studio.limits): too large, or not from them."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        refused = getattr(request, "scope", {}).get("duto.refused")
        if refused is None:
            return self.get_response(request)
        found = refused.document["error"]
        text = found["message"]
        if "limit" in found.get("facts", {}):
            size = size_text(found["facts"]["limit"])
            text = _("This is larger than %(size)s, the most that may be sent here. Send less.") % {"size": size}
        return responses.refusal_page(request, refused.status, text)


class NoNulls(EitherWay):
    """Refuses an address with a null character: PostgreSQL stores none, so every look-up by it would be a fault."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            refused = self._refuse(request)
            return cast(HttpResponse, _at_once(refused)) if iscoroutinefunction(self.get_response) else refused
        return self.get_response(request)

    @staticmethod
    def _refuse(request: HttpRequest) -> HttpResponse:
        text = "The address holds a null character (%00), which no name can have."
        if request.path.startswith(APIS):
            return JsonResponse(Invalid(text).as_document(), status=400)
        raise BadRequest(text)


class CleanForms(EitherWay):
    """Refuses a form with what no database keeps, as REST refuses such a body: a view may take a field as it comes."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        load = request._load_post_and_files

        def clean_load() -> None:
            load()
            for name, values in request._post.lists():  # type: ignore[attr-defined]
                if any(isinstance(each, str) and clean(each) != each for each in (name, *values)):
                    text = _(
                        "A field of the form has a null character or half of a surrogate pair, which no text may have."
                    )
                    raise BadRequest(text)

        request._load_post_and_files = clean_load  # type: ignore[method-assign]
        return self.get_response(request)


async def _at_once(answer: HttpResponse) -> HttpResponse:
    return answer
