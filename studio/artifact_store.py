"""Whether the object store of the studio's own files can be used, asked when a part of the studio starts."""

from __future__ import annotations


def fault() -> str:
    """Why `DUTO_ARTIFACT_STORE` cannot be used, and what to do; empty where it can, or none is named."""
    from core.errors import StudioError
    from core.storage import is_own_far
    from datasets import own_store

    if not is_own_far():
        return ""
    try:
        own_store.check()
    except StudioError as error:
        return f"The studio cannot keep its files where DUTO_ARTIFACT_STORE says. {error.message}"
    return ""


def require() -> None:
    """End this process with the reason where it cannot be used."""
    if why := fault():
        raise SystemExit(why)
