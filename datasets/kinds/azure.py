"""What Azure's kinds of storage share: accounts, credentials, errors, guarded connections."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import tempfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import Invalid, StudioError
from datasets import guard
from datasets.kinds.base import Connection, Field, of_refusal, of_status, refused, require_one

if TYPE_CHECKING:
    from requests import Session

ACCOUNT = (
    Field("account", gettext_lazy("Account"), True),
    Field("endpoint", gettext_lazy("Endpoint"), help=gettext_lazy("only for a cloud of its own or a server of one's own, such as http://localhost:10000/devstoreaccount1")),
)  # fmt: skip
CREDENTIALS = (
    Field("account_key", gettext_lazy("Account key")),
    Field("sas_token", gettext_lazy("SAS token"), help=gettext_lazy("instead of the key; it needs read and list, to write also write, create and delete")),
)  # fmt: skip
# For what Microsoft Entra signs in: Blob and Data Lake. Azure Files takes its tokens for backups alone.
PRINCIPAL = (
    Field("tenant_id", gettext_lazy("Tenant"), help=gettext_lazy("of a service principal, in the place of key and SAS token; it needs the role Storage Blob Data Reader, to write Contributor")),
    Field("client_id", gettext_lazy("Client id")),
    Field("client_secret", gettext_lazy("Client secret")),
)  # fmt: skip
AUTHORITY = (
    Field("authority", gettext_lazy("Authority"), help=gettext_lazy("where service principals sign in; only for a cloud of its own, such as https://login.microsoftonline.us")),
)  # fmt: skip
CLOUD, LOGIN = "core.windows.net", "https://login.microsoftonline.com"
RETRIES = 3


def account_url(place: Connection, service: str) -> str:
    """`https://<account>.blob.core.windows.net`; an endpoint may be such an address, or a cloud's suffix as in Azure ML."""
    endpoint = place["endpoint"].rstrip("/")
    if endpoint.startswith(("http://", "https://")):
        return endpoint
    return f"https://{place['account']}.{service}.{endpoint or CLOUD}"


def credential(place: Connection) -> Any:
    """As Azure's clients take it."""
    if place.secret("client_secret"):
        return _principal(place)
    if place.secret("account_key"):
        return {"account_name": place["account"], "account_key": place.secret("account_key")}
    return place.secret("sas_token").lstrip("?")


def authority(place: Connection) -> str:
    """The address at which a service principal signs in; empty where there is none."""
    return (place["authority"] or LOGIN).rstrip("/") if place.secret("client_secret") else ""


def _principal(place: Connection) -> Any:
    """A service principal, whose tokens are fetched when they are needed and kept while they are good."""
    from azure.core.exceptions import AzureError
    from azure.identity import ClientSecretCredential

    class Principal(ClientSecretCredential):
        def get_token_info(self, *scopes: str, **more: Any) -> Any:
            """In our words at once: Azure's own errors would have the store's client try again, as if they were the store's."""
            try:
                return super().get_token_info(*scopes, **more)
            except AzureError as error:
                raise _not_signed_in(place.name, authority(place), error) from error

    return Principal(
        place.secret("tenant_id"), place.secret("client_id"), place.secret("client_secret"), authority=authority(place),
        # Nobody but the authority that was named is asked whether it is one.
        disable_instance_discovery=True, transport=_transport(), retry_total=RETRIES, retry_connect=1,
    )  # fmt: skip


def check(place: Connection) -> None:
    """Raises Invalid."""
    names = ("account_key", "sas_token", *(each.name for each in PRINCIPAL))
    given = [name for name in names if place.secret(name)]
    of_principal = [name for name in given if name not in ("account_key", "sas_token")]
    if of_principal:
        _check_principal(place, given, of_principal)
        return
    require_one(place, "account_key", "sas_token")
    try:
        base64.b64decode(place.secret("account_key"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid(
            _("The account key is no base64. Copy it whole, as the portal shows it."), code="bad_credentials"
        ) from error


def _check_principal(place: Connection, given: list[str], of_principal: list[str]) -> None:
    if len(of_principal) < len(PRINCIPAL) or len(given) > len(PRINCIPAL):
        text = _(
            "A service principal is tenant_id, client_id and client_secret together, without account key and SAS token."
        )
        raise Invalid(text, code="bad_credentials")
    for url in (account_url(place, "blob"), authority(place)):
        if not url.startswith("https://"):
            text = _("A service principal signs in by TLS alone, and '%(url)s' does not begin with https://.")
            raise Invalid(text % {"url": url}, code="bad_option")


def settings(*, is_trusted: bool = False) -> dict[str, Any]:
    """What every client gets: a guarded transport, few retries, no endless waiting, and reads in small pieces."""
    return {
        "transport": _transport(is_trusted),
        "connection_timeout": guard.CONNECT_SECONDS, "read_timeout": guard.READ_SECONDS, "logging_enable": False,
        "retry_total": RETRIES, "retry_connect": 1, "initial_backoff": 1, "increment_base": 2,
    }  # fmt: skip


def _transport(is_trusted: bool = False) -> Any:
    from azure.core.pipeline.transport import RequestsTransport

    return RequestsTransport(
        session=session(is_trusted),
        session_owner=False,
        connection_timeout=guard.CONNECT_SECONDS,
        read_timeout=guard.READ_SECONDS,
    )


def session(is_trusted: bool = False) -> Session:
    """A session of requests whose connections are guarded, and that asks no proxy and no file of passwords."""
    from requests import Session
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    from datasets.kinds import wire

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:
            self.poolmanager = wire.pool(is_trusted=is_trusted, num_pools=connections, maxsize=maxsize, block=block)

    made = Session()
    made.trust_env = False
    # Azure's clients retry every answer that asks for it but this one.
    slower = Retry(
        total=RETRIES, connect=0, read=0, redirect=0, other=0, status=RETRIES, status_forcelist=(429,), allowed_methods=None,
        backoff_factor=1, raise_on_status=False,
    )  # fmt: skip
    for scheme in ("http://", "https://"):
        made.mount(scheme, Adapter(pool_maxsize=32, max_retries=slower))
    return made


@contextlib.contextmanager
def asking(store: str, key: str, container: str, url: str, missing: list[str] | None = None) -> Iterator[None]:
    """Azure's errors in our words. A blob that is not there goes into `missing`, where that is given. No message has an
    address in it: that may hold a signature."""
    from azure.core import exceptions as azure

    host = urlsplit(url).hostname or url
    try:
        yield
    except azure.ClientAuthenticationError as error:
        code = _code(error)
        # A signature that does not fit is answered with 403, as is one that may not do this.
        stage = "permission" if "Permission" in code or "ResourceTypeMismatch" in code else "sign_in"
        raise of_refusal(store, stage, code, _date(error)) from error
    except azure.HttpResponseError as error:
        code, status = _code(error), error.status_code or 0
        if status == 404 and key and code not in ("ContainerNotFound", "ShareNotFound"):
            if missing is not None:
                missing.append(key)
                return
            raise refused(store, "answer", "store_no_file", path=key) from error
        if status == 403 and code in (
            "AuthenticationFailed",
            "InvalidAuthenticationInfo",
            "NoAuthenticationInformation",
        ):
            raise of_refusal(store, "sign_in", code, _date(error)) from error
        raise of_status(store, status, code, key, container, _date(error)) from error
    except azure.IncompleteReadError as error:
        raise refused(store, "network", "store_broke", host=host) from error
    except azure.AzureError as error:
        raise refused(store, "network", "store_network", host=host, why=_reason(error)) from error


def _not_signed_in(store: str, authority: str, error: Any) -> StudioError:
    """Of a service principal: whatever went wrong on the way to its token is told as one kind of error."""
    from azure.core import exceptions as azure

    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, StudioError):
            return inner
        if isinstance(inner, azure.ServiceRequestError | azure.ServiceResponseError | OSError):
            host = urlsplit(authority).hostname or authority
            return refused(store, "network", "store_network", host=host, why=_reason(inner))
        inner = inner.__cause__ or inner.__context__
    text = str(error)
    status = int(found.group(1)) if (found := re.search(r"HTTP Error: (\d{3})", text)) else 0
    if status == 429 or status >= 500:
        return refused(store, "away", "store_away", why=str(status))
    known = re.search(r"AADSTS\d+", text)
    return refused(store, "sign_in", "store_sign_in", why=known.group() if known else text.splitlines()[0][:200])


def _code(error: Any) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or error.reason or error.status_code)


def _date(error: Any) -> str | None:
    """By the clock of who answered."""
    headers = getattr(error.response, "headers", None) or {}
    return headers.get("Date")


def _reason(error: BaseException) -> str:
    """The innermost reason, without the address that outer ones quote."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        inner = (
            found.__cause__
            or found.__context__
            or next((each for each in found.args if isinstance(each, BaseException)), None)
        )
        if inner is None:
            return type(found).__name__
        found = getattr(inner, "reason", None) if isinstance(getattr(inner, "reason", None), BaseException) else inner
    return type(error).__name__


def exists(key: str) -> str:
    return _("%(key)r exists already. Say overwrite to replace it.") % {"key": key}


@contextlib.contextmanager
def spooled(pieces: Iterable[bytes]) -> Iterator[BinaryIO]:
    """The pieces as a file on this machine's disk."""
    with tempfile.TemporaryFile() as spool:
        for piece in pieces:
            spool.write(piece)
        spool.seek(0)
        yield cast(BinaryIO, spool)
