"""Authentication classes of Azure ML's SDK. None asks a person: the header comes from the credentials of the
studio."""

from __future__ import annotations

import os
import time
from typing import Any, Callable, Dict, NamedTuple, Optional

from duto import credentials
from duto.exceptions import AuthenticationException

__all__ = [
    "AbstractAuthentication",
    "AccessToken",
    "ArcTokenAuthentication",
    "ArmTokenAuthentication",
    "AuthenticationException",
    "AzureCliAuthentication",
    "InteractiveLoginAuthentication",
    "MsiAuthentication",
    "ServicePrincipalAuthentication",
    "TokenAuthentication",
]


class AccessToken(NamedTuple):
    """A token and the time, in seconds since 1970, until which it may be kept."""

    token: str
    expires_on: int


class AbstractAuthentication:
    """Gives the header that the studio's REST addresses take."""

    def __init__(self, cloud: Any = None) -> None:
        self._token: Optional[str] = None

    def get_authentication_header(self) -> Dict[str, str]:
        """`{"Authorization": "Bearer ..."}`. Raises `AuthenticationException` without credentials."""
        token = self._token or credentials.find().token
        if not token:
            raise AuthenticationException("The credentials of the studio hold no token.")
        return {"Authorization": f"Bearer {token}"}

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        """The token, as Azure's identity libraries hand it on."""
        return AccessToken(self.get_authentication_header()["Authorization"].partition(" ")[2], int(time.time()) + 3600)

    def signed_session(self, session: Any = None) -> Any:
        """A session of `requests` with the header set."""
        if session is None:
            import requests

            session = requests.Session()
        session.headers.update(self.get_authentication_header())
        return session


class InteractiveLoginAuthentication(AbstractAuthentication):
    """Logs nobody in interactively: the user's own credentials are used."""

    def __init__(self, force: bool = False, tenant_id: Optional[str] = None, cloud: Any = None) -> None:
        super().__init__()
        self.tenant_id = tenant_id


class AzureCliAuthentication(AbstractAuthentication):
    """The user's own credentials."""

    def __init__(self, cloud: Any = None) -> None:
        super().__init__()


class MsiAuthentication(AbstractAuthentication):
    """The credentials of the surroundings."""

    def __init__(self, cloud: Any = None, **kwargs: Any) -> None:
        super().__init__()


class ServicePrincipalAuthentication(AbstractAuthentication):
    """A service's credentials: a token of the studio (`duto_...`) as the password, else those of the
    surroundings."""

    def __init__(
        self,
        tenant_id: Optional[str],
        service_principal_id: Optional[str],
        service_principal_password: Optional[str],
        cloud: str = "AzureCloud",
        _enable_caching: bool = True,
    ) -> None:
        super().__init__()
        self.tenant_id = tenant_id
        self.service_principal_id = service_principal_id
        # A password of Azure's is nothing to a studio, and must not be sent to one.
        if (service_principal_password or "").startswith("duto_") and "DUTO_TOKEN" not in os.environ:
            self._token = service_principal_password


class TokenAuthentication(AbstractAuthentication):
    """A token that a function gives."""

    def __init__(self, get_token_for_audience: Callable[[Any], str], cloud: Any = None) -> None:
        super().__init__()
        self._get = get_token_for_audience

    def get_authentication_header(self) -> Dict[str, str]:
        return {"Authorization": f"Bearer {self._get(None)}"}


class ArmTokenAuthentication(AbstractAuthentication):
    """The user's own credentials; a token of Azure's is nothing to a studio."""

    def __init__(self, arm_access_token: Optional[str] = None, cloud: Any = None) -> None:
        super().__init__()

    def update_arm_access_token(self, new_arm_access_token: str) -> None:
        """Kept for its name."""


class ArcTokenAuthentication(AbstractAuthentication):
    """The user's own credentials."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
