"""Tells the host of a step which texts its log may not show, before the script knows them."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Iterable

from duto.exceptions import AzureMLException

_PATIENCE_S = 60.0


def hide(values: Iterable[str]) -> None:
    """From now on these are `***` in the log of the step around this process; outside of a step nothing happens.

    Raises:
        AzureMLException: the step's host does not answer.
    """
    path = os.environ.get("DUTO_MASKS")
    if not path:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
            caller.settimeout(_PATIENCE_S)
            _connect(caller, path)
            for value in values:
                caller.send(value.encode("utf-8", "surrogatepass"))
                if caller.recv(1) != b"+":
                    raise OSError("it takes no more to hide")
    except OSError as error:
        raise AzureMLException(
            f"No secret is given to this step, since its log could not hide it: {path} does not answer ({error}). "
            "The folder TMPDIR of a step has to stay as it is, and only the step's own user is heard."
        ) from error


def _connect(caller: socket.socket, path: str) -> None:
    """By the number of its folder: the address of a socket has 108 bytes."""
    place = Path(path)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        caller.connect(f"/proc/self/fd/{folder}/{place.name}")
    finally:
        os.close(folder)
