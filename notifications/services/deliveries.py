"""Messages are sent by workers, each at least once: where a worker claims one and dies, another sends it, under the same id.

There are two lanes. A receiver whose last try failed is slow until one succeeds, one of which a try took more than `SLOW` seconds for an
hour; messages to them go by a lane of their own, so that the others do not wait for it. What fails is tried again after
`RETRY_SECONDS`, then given up and shown.
"""

from __future__ import annotations

import logging
import random
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from core import once, outbox, slices
from core.clock import now
from core.errors import Conflict
from core.ids import first_at
from core.prepared import Probe
from core.sentences import parts_of, text_of
from core.work import after_commit, send
from notifications.models import Channel, Delivery, DeliveryAttempt, MailAddress, Occurrence, Way
from notifications.services import matching, senders
from notifications.services.matching import Target
from notifications.stored_messages import keep
from workspaces.access import WorkspaceContext
from workspaces.models import Member, Role
from workspaces.services import audit

log = logging.getLogger(__name__)
Status = Delivery.Status
OPEN = (Status.HELD, Status.DUE)
# Seconds before the second try and each after it; then the message is given up.
RETRY_SECONDS = (30, 120, 600, 1800, 7200, 21_600, 43_200)
# A worker that has claimed one and has not settled it for so long has died: a try takes a third of it at most.
CLAIM = timedelta(seconds=60)
KEPT = timedelta(days=30)
# A receiver of which a try took more seconds is slow for so long, also where it took the message in the end.
SLOW, SLOW_FOR = 3, timedelta(hours=1)
# Mails of confirmation that one person may cause within an hour: the addresses may be anybody's.
MOST_CONFIRMATIONS = 5
DELIVER, DELIVER_SLOW = "notifications.deliver", "notifications.deliver_slow"
# So many threads of a process send by each lane.
_QUICK, _SLOW = threading.BoundedSemaphore(3), threading.BoundedSemaphore(1)


@dataclass(frozen=True)
class Claim:
    """A message, and the moment at which this worker claimed it; another worker's claim has another one."""

    delivery: Delivery
    at: datetime


_OCCURRENCES = Probe(Occurrence.objects.all)
_OPEN = Probe(lambda moment: Delivery.objects.filter(status__in=OPEN, send_at__lte=moment), datetime)


def wake_workers() -> None:
    """A duty of the ticker, once a second: wake workers where there is something to match or to send."""
    if _OCCURRENCES():
        send("notifications.match")
    moment = now()
    if not _OPEN(moment):
        return
    if _ready(moment, is_slow=False).exists():
        send(DELIVER)
    if _ready(moment, is_slow=True).exists():
        send(DELIVER_SLOW)


def deliver_all(*, is_slow: bool = False) -> None:
    """Send what is due by a lane, until nothing is."""
    lane = _SLOW if is_slow else _QUICK
    if not lane.acquire(blocking=False):
        return
    try:
        while (claim := _claim(is_slow=is_slow)) is not None:
            try:
                outcome = senders.send(claim.delivery)
            except Exception:  # a fault of ours: it is tried again as any other failure, and the studio's log says so
                log.exception("delivery %s could not be made", claim.delivery.pk)
                outcome = senders.Outcome(False, error=keep("studio_fault"))
            _settle(claim, outcome)
    finally:
        lane.release()


def _ready(moment: datetime, *, is_slow: bool) -> QuerySet[Delivery]:
    """What may be sent by a lane, oldest first."""
    unclaimed = Q(claimed_at__isnull=True) | Q(claimed_at__lt=moment - CLAIM)
    rows = Delivery.objects.filter(unclaimed, status__in=OPEN, send_at__lte=moment)
    failing = Delivery.objects.filter(status=Status.DUE, tries__gt=0).values("receiver")
    lately = DeliveryAttempt.objects.filter(pk__gte=first_at(moment - SLOW_FOR), seconds__gt=SLOW)
    slow = Q(receiver__in=failing) | Q(receiver__in=lately.values("delivery__receiver"))
    rows = rows.filter(slow) if is_slow else rows.exclude(slow)
    return rows.order_by("send_at", "id")


def _claim(*, is_slow: bool) -> Claim | None:
    """The next message, from now on closed: nothing is added to it any more."""
    while True:
        moment = now()
        key = _ready(moment, is_slow=is_slow).values_list("pk", flat=True).first()
        if key is None:
            return None
        mine = Delivery.objects.filter(pk=key, status__in=OPEN, send_at__lte=moment)
        mine = mine.filter(Q(claimed_at__isnull=True) | Q(claimed_at__lt=moment - CLAIM))
        if mine.update(claimed_at=moment, status=Status.DUE, closed_at=Coalesce("closed_at", moment)):
            break
    rows = Delivery.objects.select_related("workspace", "rule__owner", "channel__workspace", "user")
    delivery = rows.get(pk=key)
    if delivery.purpose == Delivery.Purpose.ALERTS and delivery.user_id and not _may_receive(delivery):
        _settle(Claim(delivery, moment), senders.Outcome(False, error=keep("receiver_left"), is_final=True))
        return _claim(is_slow=is_slow)
    return Claim(delivery, moment)


def _may_receive(delivery: Delivery) -> bool:
    """Whether a person's own message may still be theirs: they belong to the workspace."""
    rows = Member.objects.filter(workspace=delivery.workspace_id, user=delivery.user_id, user__is_active=True)
    return rows.exists()


def _settle(claim: Claim, outcome: senders.Outcome) -> None:
    """Write down a try and what follows; nothing where another has taken the message over."""
    delivery, moment = claim.delivery, now()
    number = delivery.tries + 1
    error, said = text_of(outcome.error), parts_of(outcome.error) or {}
    values: dict[str, object] = {
        "tries": F("tries") + 1,
        "claimed_at": None,
        "why": "" if outcome.is_sent else error,
        "why_said": {} if outcome.is_sent else said,
    }
    if outcome.is_sent:
        values |= {"status": Status.SENT, "settled_at": moment}
    elif outcome.is_final or number > len(RETRY_SECONDS):
        values |= {"status": Status.DEAD, "settled_at": moment}
    else:
        wait = max(outcome.wait, RETRY_SECONDS[number - 1] * random.uniform(1, 1.2))  # noqa: S311
        values |= {"send_at": moment + timedelta(seconds=wait)}
        if outcome.is_about_message_only:  # a full mailbox must not make the mail server slow for all
            values |= {"receiver": f"{delivery.way}:{delivery.pk}"}
    with transaction.atomic():
        mine = Delivery.objects.filter(pk=delivery.pk, claimed_at=claim.at)
        if not mine.update(**values):
            return
        took = (moment - claim.at).total_seconds()
        DeliveryAttempt.objects.create(
            delivery=delivery, number=DeliveryAttempt.objects.filter(delivery=delivery).count() + 1, started_at=claim.at, seconds=round(took, 3), code=outcome.code,
            answer=outcome.answer, error=error, error_said=said,
        )  # fmt: skip
        outbox.hint(f"list:{delivery.workspace.name}:notifications")


@transaction.atomic
def send_again(context: WorkspaceContext, delivery: Delivery) -> Delivery:
    """Try a message that was given up, or sent, once more, under the id that it has. Raises Conflict for one that is on its way."""
    _require(context, delivery)
    found = Delivery.objects.select_for_update(of=("self",)).get(pk=delivery.pk)
    if found.status in OPEN:
        raise Conflict(_("The message is on its way already."), code="under_way")
    if found.status == Status.MUTED and found.way == Way.EMAIL and found.why:
        raise Conflict(_("Who would get this message has unsubscribed."), code="unsubscribed")
    Delivery.objects.filter(pk=found.pk).update(
        status=Status.DUE, send_at=now(), settled_at=None, claimed_at=None, why="", tries=0
    )
    once.settle(found)
    audit.note(context, "notification.sent_again", str(found.pk))
    _wake_workers(context)
    found.refresh_from_db()
    return found


def test(context: WorkspaceContext, channel: Channel) -> list[Delivery]:
    """Send a message by a channel that says that it is a test; one for each address. Raises Conflict where none is left."""
    context.require(Role.OWNER).require_person()
    made = [_single(context, target, Delivery.Purpose.TEST) for target in matching.targets_of_channel(channel)]
    if not made:
        raise Conflict(_("Everybody whom this channel would reach has unsubscribed."), code="nobody")
    return made


def confirm(context: WorkspaceContext, address: str) -> None:
    """Send a mail of confirmation to an address, which is this person's once its link was followed. Raises Conflict for too many."""
    assert context.user is not None
    asked = Delivery.objects.filter(user=context.user, purpose=Delivery.Purpose.CONFIRM)
    if asked.filter(created_at__gt=now() - timedelta(hours=1)).count() >= MOST_CONFIRMATIONS:
        text = _("%(count)d addresses were asked within the hour. Wait a while before you set another one.")
        raise Conflict(text % {"count": MOST_CONFIRMATIONS}, code="too_many")
    MailAddress.objects.update_or_create(user=context.user, defaults={"pending": address})
    target = Target(f"user:{context.user.pk}:email", Way.EMAIL, "mail", user=context.user.pk, address=address)
    _single(context, target, Delivery.Purpose.CONFIRM)


def _single(context: WorkspaceContext, target: Target, purpose: str) -> Delivery:
    made = Delivery.objects.create(
        workspace=context.workspace, purpose=purpose, channel_id=target.channel, user_id=target.user, way=target.way,
        address=target.address, receiver=target.receiver, target=target.key, status=Status.DUE, send_at=now(),
        closed_at=now(),
    )  # fmt: skip
    _wake_workers(context)
    return made


def _require(context: WorkspaceContext, delivery: Delivery) -> None:
    """One's own message, or the rights of an owner."""
    is_own = context.user is not None and delivery.user_id == context.user.pk
    context.require_person().require(Role.READER if is_own else Role.OWNER)
    context.require_open()


def _wake_workers(context: WorkspaceContext) -> None:
    outbox.hint(f"list:{context.workspace.name}:notifications")
    after_commit(lambda: send(DELIVER))
    after_commit(lambda: send(DELIVER_SLOW))


def prune() -> None:
    """Forget messages of long ago, and occurrences that could not be matched."""
    slices.delete(Delivery.objects.filter(created_at__lt=now() - KEPT).exclude(status__in=OPEN))
    matching.prune()
