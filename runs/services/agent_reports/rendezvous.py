"""Members of one try find each other: each tells where it is once it is ready, and all hear of it when the last one has."""

from __future__ import annotations

from django.utils.crypto import salted_hmac

from duto_protocol.messages import Meeting, Meetings
from duto_protocol.reading import builtins_of, of_document
from runs.models import Attempt

HERE = "127.0.0.1"


def meet(attempt: Attempt, own: Meeting) -> Meetings:
    """Note where this member is; where all are, if all have facts. May be called again and again."""
    facts = builtins_of(own)
    if attempt.rendezvous != facts:
        Attempt.objects.filter(pk=attempt.pk, epoch=attempt.epoch).update(rendezvous=facts)
    rows = Attempt.objects.filter(run=attempt.run_id, number=attempt.number).exclude(status__in=Attempt.ENDS)
    found = list(rows.order_by("node_rank").values_list("rendezvous", "host_id"))
    if len(found) < attempt.node_count or any(place is None for place, _ in found):
        return Meetings()
    members = [of_document(place, Meeting).message for place, _ in found]
    if len({host for _, host in found}) == 1:  # whatever the way to the host is, on it this one leads there
        members = [Meeting(HERE, each.ports) for each in members]
    secret = salted_hmac("runs.rendezvous", f"{attempt.run_id}:{attempt.number}", algorithm="sha256").hexdigest()
    return Meetings(members, secret)
