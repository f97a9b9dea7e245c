"""The log of an attempt on its way to the studio."""

from __future__ import annotations

from pathlib import Path

from duto_agent.launchers.base import AttemptKey
from duto_agent.studio.client import StudioClient
from duto_agent.studio.shipments import Shipment


def log_shipment(directory: Path, key: AttemptKey, client: StudioClient) -> Shipment:
    """Raw bytes, as they are: lines and encodings are the reader's affair."""
    return Shipment(directory / "log.data", lambda at, data: client.put_log(key.attempt, key.epoch, at, data))
