"""Tokens that start one endpoint, for programs of clients and of other teams."""

from __future__ import annotations

from typing import Mapping, Optional


class EndpointToken:
    """A token that starts one endpoint and sees the runs that it started. An addition of ours.

    Programs get one by `PipelineEndpoint.create_token` and `PipelineEndpoint.list_tokens`.

    Attributes:
        id: its id.
        name: whom it is for.
        prefix: what its text begins with.
        token: its text; None but for the one that `create_token` gives, as the studio keeps only its digest.
        created_by: who made it, for whom its runs are started.
        any_version: whether it may name a version; else it starts the default one.
        runs_per_hour: how many runs it starts within any hour.
        created_at: when it was made, as a text of ISO 8601, as the next ones are.
        expires_at: when it ends; None for never.
        revoked_at: when it was revoked; None for one that was not.
        last_used_at: when it was used last; None for never.
    """

    def __init__(self, document: Mapping[str, object]) -> None:
        """
        Args:
            document: what the studio says of it.
        """
        self.id = str(document["id"])
        self.name = str(document["name"])
        self.prefix = str(document["prefix"])
        self.token = _text(document.get("token"))
        self.created_by = str(document["created_by"])
        self.any_version = bool(document["any_version"])
        self.runs_per_hour = int(str(document["runs_per_hour"]))
        self.created_at = str(document["created_at"])
        self.expires_at = _text(document["expires_at"])
        self.revoked_at = _text(document["revoked_at"])
        self.last_used_at = _text(document["last_used_at"])

    def __repr__(self) -> str:
        """Without its text, which shall get into no log."""
        return f"EndpointToken(name={self.name}, id={self.id}, prefix={self.prefix})"


def _text(value: object) -> Optional[str]:
    return None if value is None else str(value)
