"""Authentication classes of Azure ML's SDK. None asks a person: the header comes from the credentials of the
studio."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Callable, Dict, NamedTuple, Optional

from duto import credentials
from duto.exceptions import AuthenticationException

if TYPE_CHECKING:
    import requests

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
    """A token, as Azure's identity libraries hand it on.

    Attributes:
        token: the token.
        expires_on: until when it may be kept, in seconds since 1970 (UTC).
    """

    token: str
    expires_on: int


class AbstractAuthentication:
    """Gives the header that the studio's REST addresses take: the token of the credentials, whatever class it is
    asked of.
    """

    def __init__(self, cloud: object = None) -> None:
        """Nothing is asked or sent.

        Args:
            cloud: taken and not used; a studio is in no cloud of Azure's.
        """
        self._token: Optional[str] = None

    def get_authentication_header(self) -> Dict[str, str]:
        """The header of a request to the studio's REST.

        Returns:
            `{"Authorization": "Bearer ..."}`.

        Raises:
            AuthenticationException: there are no credentials, or they hold no token.
        """
        token = self._token or credentials.find().token
        if not token:
            raise AuthenticationException("The credentials of the studio hold no token.")
        return {"Authorization": f"Bearer {token}"}

    def get_token(self, *scopes: str, **kwargs: object) -> AccessToken:
        """The token, as Azure's identity libraries ask for it.

        Args:
            scopes: taken and not used: a token of a studio has the scope that it was made with.
            kwargs: taken and not used.

        Returns:
            The token, with an hour from now as the time until which it may be kept.

        Raises:
            AuthenticationException: there are no credentials, or they hold no token.
        """
        return AccessToken(self.get_authentication_header()["Authorization"].partition(" ")[2], int(time.time()) + 3600)

    def signed_session(self, session: Optional[requests.Session] = None) -> requests.Session:
        """A session of `requests` with the header set.

        Args:
            session: the session to change; None for a new one, for which `requests` has to be installed.

        Returns:
            The session.

        Raises:
            AuthenticationException: there are no credentials, or they hold no token.
        """
        if session is None:
            import requests

            session = requests.Session()
        session.headers.update(self.get_authentication_header())
        return session


class InteractiveLoginAuthentication(AbstractAuthentication):
    """Logs nobody in interactively: the user's own credentials are used.

    Attributes:
        tenant_id: what was given.
    """

    def __init__(self, force: bool = False, tenant_id: Optional[str] = None, cloud: object = None) -> None:
        """Nobody is asked: Azure ML opens a browser here.

        Args:
            force: taken and not used.
            tenant_id: kept as it is; a studio has no tenants.
            cloud: taken and not used.
        """
        super().__init__()
        self.tenant_id = tenant_id


class AzureCliAuthentication(AbstractAuthentication):
    """The user's own credentials; Azure's command line is not asked."""

    def __init__(self, cloud: object = None) -> None:
        """Nothing is asked or sent.

        Args:
            cloud: taken and not used.
        """
        super().__init__()


class MsiAuthentication(AbstractAuthentication):
    """The credentials of the surroundings; there are no managed identities."""

    def __init__(self, cloud: object = None, **kwargs: object) -> None:
        """Nothing is asked or sent.

        Args:
            cloud: taken and not used.
            kwargs: taken and not used.
        """
        super().__init__()


class ServicePrincipalAuthentication(AbstractAuthentication):
    """A service's credentials: a token of the studio as the password, else those of the surroundings.

    Attributes:
        tenant_id: what was given.
        service_principal_id: what was given.
    """

    def __init__(
        self,
        tenant_id: Optional[str],
        service_principal_id: Optional[str],
        service_principal_password: Optional[str],
        cloud: str = "AzureCloud",
        _enable_caching: bool = True,
    ) -> None:
        """Take the token from the password, if it is one.

        Args:
            tenant_id: kept as it is; a studio has no tenants.
            service_principal_id: kept as it is; the token alone says who asks.
            service_principal_password: a token of the studio (`duto_...`), used unless `DUTO_TOKEN` is set. Any
                other, such as a password of Azure's, is sent nowhere and the credentials of the surroundings are
                used.
            cloud: taken and not used.
        """
        super().__init__()
        self.tenant_id = tenant_id
        self.service_principal_id = service_principal_id
        # A password of Azure's is nothing to a studio, and must not be sent to one.
        if (service_principal_password or "").startswith("duto_") and "DUTO_TOKEN" not in os.environ:
            self._token = service_principal_password


class TokenAuthentication(AbstractAuthentication):
    """A token that a function gives, each time that the header is asked for."""

    def __init__(self, get_token_for_audience: Callable[[object], str], cloud: object = None) -> None:
        """Nothing is asked or sent.

        Args:
            get_token_for_audience: gives the token; called with None, where Azure ML names the service that is asked.
            cloud: taken and not used.
        """
        super().__init__()
        self._get = get_token_for_audience

    def get_authentication_header(self) -> Dict[str, str]:
        """The header with the token that the function gives now.

        Returns:
            `{"Authorization": "Bearer ..."}`.
        """
        return {"Authorization": f"Bearer {self._get(None)}"}


class ArmTokenAuthentication(AbstractAuthentication):
    """The user's own credentials; a token of Azure's is nothing to a studio, and is sent nowhere."""

    def __init__(self, arm_access_token: Optional[str] = None, cloud: object = None) -> None:
        """Nothing is asked or sent.

        Args:
            arm_access_token: taken and not used.
            cloud: taken and not used.
        """
        super().__init__()

    def update_arm_access_token(self, new_arm_access_token: str) -> None:
        """Kept for its name: does nothing.

        Args:
            new_arm_access_token: taken and not used.
        """


class ArcTokenAuthentication(AbstractAuthentication):
    """The user's own credentials; there are no clusters of Azure Arc."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Nothing is asked or sent.

        Args:
            args: taken and not used.
            kwargs: taken and not used.
        """
        super().__init__()
