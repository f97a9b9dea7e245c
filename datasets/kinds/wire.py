"""HTTP by urllib3 over guarded connections (`datasets.guard`), for kinds whose libraries lean on it. Imported when a store is opened."""

from __future__ import annotations

import socket
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from core import certificates
from datasets import guard


class _Plain(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return guard.connect(self._dns_host, self.port, _seconds(self.timeout))


class _Secure(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return guard.connect(self._dns_host, self.port, _seconds(self.timeout))


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


def pool(*, is_trusted: bool = False, **more: Any) -> PoolManager:
    """A pool of urllib3 whose connections are guarded, unless whom they lead to is trusted."""
    made = PoolManager(**{"ssl_context": certificates.context(), **more})
    if is_trusted:
        return made
    made.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return made


def _seconds(timeout: Any) -> float:
    return min(guard.CONNECT_SECONDS, timeout) if isinstance(timeout, int | float) else guard.CONNECT_SECONDS
