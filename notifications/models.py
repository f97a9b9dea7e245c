"""Rules, channels, occurrences that are still to be matched, and messages with what became of each."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from core.lifecycle import Row
from monitors.models import Monitor
from notifications.stored_messages import localized
from pipelines.models import PipelineEndpoint, PublishedPipeline
from workspaces.models import User, Workspace


class Way(models.TextChoices):
    """By which way a message goes; each has its own rendering."""

    EMAIL = "email", _("E-mail")
    WEBHOOK = "webhook", _("Webhook")
    SLACK = "slack", _("Slack")
    TEAMS = "teams", _("Microsoft Teams")
    MATTERMOST = "mattermost", _("Mattermost")
    BROWSER = "browser", _("Browser")


class Channel(Row):
    """Where messages of a workspace go. Addresses of webhooks and keys are kept encrypted: whoever has one may write there."""

    class Kind(models.TextChoices):
        EMAIL = Way.EMAIL.value, Way.EMAIL.label
        WEBHOOK = Way.WEBHOOK.value, Way.WEBHOOK.label
        SLACK = Way.SLACK.value, Way.SLACK.label
        TEAMS = Way.TEAMS.value, Way.TEAMS.label
        MATTERMOST = Way.MATTERMOST.value, Way.MATTERMOST.label

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="channels")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=12, choices=Kind)
    # Of e-mail: who gets it, and who of them wants it no more.
    recipients = models.JSONField(default=list)
    unsubscribed = models.JSONField(default=list)
    # Of the others: {"url", "key"}, of which only the host is shown.
    sealed = models.BinaryField(null=True)
    host = models.CharField(max_length=255, blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(Lower("name"), "workspace", name="one_channel_per_name")]

    def __str__(self) -> str:
        return self.name


class Rule(Row):
    """Who is notified of which events: a rule of the workspace notifies channels, one of a person that person alone."""

    class Scope(models.TextChoices):
        WORKSPACE = "workspace", _("Everything in the workspace")
        PIPELINE = "pipeline", _("A published pipeline")
        ENDPOINT = "endpoint", _("A pipeline endpoint")
        MONITOR = "monitor", _("A monitor")
        MINE = "mine", _("What I started")

    class Event(models.TextChoices):
        FAILED = "failed", _("A run failed")
        RECOVERED = "recovered", _("A run completed after failures")
        LATE = "late", _("A run takes longer than usual")
        MISSED = "missed", _("A schedule did not start its run")
        WAITING = "waiting", _("A step waits too long for a place")
        MODEL = "model", _("A model was registered")
        DRIFT = "drift", _("Data have drifted")
        PERFORMANCE = "performance", _("A model has degraded")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="notification_rules")
    # Whose own it is; a rule of the workspace is nobody's.
    owner = models.ForeignKey(User, models.CASCADE, null=True, related_name="+")
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(default=True)
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.WORKSPACE)
    pipeline = models.ForeignKey(PublishedPipeline, models.CASCADE, null=True, related_name="+")
    endpoint = models.ForeignKey(PipelineEndpoint, models.CASCADE, null=True, related_name="+")
    monitor = models.ForeignKey(Monitor, models.CASCADE, null=True, related_name="+")
    # Made for the addresses of its monitor, and changed and removed with them.
    is_of_alerts = models.BooleanField(default=False)
    events = models.JSONField(default=list)
    # A run is late after so many minutes; None: after the 95th percentile of the runs before it.
    late_minutes = models.PositiveIntegerField(null=True)
    wait_minutes = models.PositiveIntegerField(default=15)
    # What happens so soon after a message is gathered into the next one.
    digest_minutes = models.PositiveIntegerField(default=5)
    channels = models.ManyToManyField(Channel, related_name="rules")
    by_email = models.BooleanField(default=False)
    by_browser = models.BooleanField(default=False)
    muted_until = models.DateTimeField(null=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    def __str__(self) -> str:
        return self.name


class Mute(Row):
    """No rule tells anything of this pipeline for a time."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    pipeline = models.OneToOneField(PublishedPipeline, models.CASCADE, related_name="mute")
    until = models.DateTimeField()
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    def __str__(self) -> str:
        return f"{self.pipeline_id} until {self.until}"


class MailAddress(Row):
    """Where messages to a person go, other than to the address of their account; used once they have confirmed it."""

    user = models.OneToOneField(User, models.CASCADE, related_name="mail_address")
    confirmed = models.EmailField(blank=True)
    pending = models.EmailField(blank=True)

    def __str__(self) -> str:
        return self.confirmed


class Occurrence(Row):
    """Something happened: written in its transaction, and removed in the one in which it was matched with all rules."""

    class Kind(models.TextChoices):
        RUN = "run", _("Run")
        TICK = "tick", _("Tick")
        MODEL = "model", _("Model")
        DRIFT = "drift", _("Drift")
        PERFORMANCE = "performance", _("Model performance")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=12, choices=Kind)
    # The id of the run, the tick, the model version or the window of a monitor; no key, since each may be deleted at any time.
    subject = models.UUIDField()

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class Delivery(Row):
    """One message to one receiver. The row is the truth: it is sent at least once, or says why not."""

    class Status(models.TextChoices):
        HELD = "held", _("Gathering")
        DUE = "due", _("To be sent")
        SENT = "sent", _("Sent")
        DEAD = "dead", _("Given up")
        MUTED = "muted", _("Muted")

    class Purpose(models.TextChoices):
        ALERTS = "alerts", _("What happened")
        TEST = "test", _("Test")
        CONFIRM = "confirm", _("Confirmation of an address")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    purpose = models.CharField(max_length=8, choices=Purpose, default=Purpose.ALERTS)
    rule = models.ForeignKey(Rule, models.SET_NULL, null=True, related_name="deliveries")
    channel = models.ForeignKey(Channel, models.CASCADE, null=True, related_name="deliveries")
    # Whose own message it is.
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="+")
    way = models.CharField(max_length=12, choices=Way)
    # Of a mail: to whom.
    address = models.EmailField(blank=True)
    # What may be slow or dead as a whole: a webhook, the mail server.
    receiver = models.CharField(max_length=64)
    # The recipient: a digest is of one rule for one of these.
    target = models.CharField(max_length=400)
    status = models.CharField(max_length=8, choices=Status, default=Status.HELD)
    # When it is tried next.
    send_at = models.DateTimeField()
    # Since then nothing is added to it, and its content and id are the same at each try.
    closed_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    # Since it was sent off, or sent off again.
    tries = models.PositiveIntegerField(default=0)
    settled_at = models.DateTimeField(null=True)
    # Why it was not sent, by the last try.
    why = models.TextField(blank=True)
    # What that is made of, where the studio said it (notifications.stored_messages).
    why_said = models.JSONField(default=dict)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "-id"], name="deliveries_newest"),
            models.Index(
                fields=["send_at"], name="deliveries_open", condition=models.Q(status__in=["held", "due"])
            ),
            models.Index(fields=["rule", "-id"], name="deliveries_of_rule"),
            models.Index(fields=["created_at"], name="deliveries_age"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.way} {self.pk}"

    @property
    def why_localized(self) -> str:
        """In the reader's language."""
        return localized(self.why, self.why_said)


class Alert(Row):
    """One event in a message, as it was when it happened. A recipient has it once, by however many rules."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="alerts")
    target = models.CharField(max_length=400)
    event = models.CharField(max_length=12, choices=Rule.Event)
    # The id of the run, the tick, the model version or the window of a monitor.
    subject = models.UUIDField()
    facts = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint("subject", "event", "target", name="one_alert_per_receiver")]

    def __str__(self) -> str:
        return f"{self.event} {self.subject}"


class DeliveryAttempt(Row):
    """One try at sending a message, and what the receiver answered."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    seconds = models.FloatField()
    # Of HTTP or SMTP; none where nobody answered.
    code = models.PositiveIntegerField(null=True)
    answer = models.TextField(blank=True)
    error = models.TextField(blank=True)
    error_said = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint("delivery", "number", name="one_try_number")]

    def __str__(self) -> str:
        return f"{self.number} of {self.delivery_id}"

    @property
    def error_localized(self) -> str:
        """In the reader's language."""
        return localized(self.error, self.error_said)
