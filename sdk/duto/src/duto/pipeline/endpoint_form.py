"""The form of an endpoint that anyone who has its link fills in, without an account."""

from __future__ import annotations

from typing import Mapping, Optional


class EndpointForm:
    """The link of an endpoint's form. An addition of ours.

    Programs get one by `PipelineEndpoint.create_form` and `PipelineEndpoint.get_form`.

    Attributes:
        id: its id.
        url: the link; None but for the one that `create_form` gives, as the studio keeps only its digest.
        created_by: the owner who opened it, for whom its runs are started.
        runs_per_hour: how many runs it starts within any hour.
        created_at: when it was made, as a text of ISO 8601, as the next ones are.
        expires_at: when it ends; None for never.
        last_used_at: when it was used last; None for never.
    """

    def __init__(self, document: Mapping[str, object]) -> None:
        """
        Args:
            document: what the studio says of it.
        """
        self.id = str(document["id"])
        self.url = _text(document.get("url"))
        self.created_by = str(document["created_by"])
        self.runs_per_hour = int(str(document["runs_per_hour"]))
        self.created_at = str(document["created_at"])
        self.expires_at = _text(document["expires_at"])
        self.last_used_at = _text(document["last_used_at"])

    def __repr__(self) -> str:
        """Without its link, which shall get into no log."""
        return f"EndpointForm(id={self.id}, created_by={self.created_by}, expires_at={self.expires_at})"


def _text(value: object) -> Optional[str]:
    return None if value is None else str(value)
