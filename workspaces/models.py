"""Who works where, and with what rights."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7
from core.lifecycle import Row
from workspaces import actions
from workspaces.scopes import EndpointScope


class User(AbstractUser):
    """A person of this installation."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    theme = models.CharField(max_length=8, default="system")

    REQUIRED_FIELDS: ClassVar[list[str]] = []


class Role(models.TextChoices):
    READER = "reader", _("Reader")
    CONTRIBUTOR = "contributor", _("Contributor")
    OWNER = "owner", _("Owner")

    @property
    def rank(self) -> int:
        return list(Role).index(self)


class Workspace(Row):
    """What everything belongs to: runs, data, compute, environments, models."""

    name = models.SlugField(max_length=32, unique=True)
    description = models.TextField(blank=True)
    default_datastore = models.CharField(max_length=64, default="workspaceblobstore")
    # The cluster of steps that name none; a name, as clusters live in an app above. Empty: a step has to name one.
    default_compute = models.CharField(max_length=24, blank=True)
    tags = models.JSONField(default=dict)
    settings = models.JSONField(default=dict)
    # Read only since then: nothing starts, and lists show it last.
    archived_at = models.DateTimeField(null=True)
    # Nobody's since then: a worker removes what it kept. It has no members, so nobody enters it.
    deleted_at = models.DateTimeField(null=True)
    # What its files took when they were last counted, and what came since where a limit asks for that.
    storage_bytes = models.BigIntegerField(default=0)
    storage_at = models.DateTimeField(null=True)

    @property
    def is_archived(self) -> bool:
        return self.archived_at is not None

    def __str__(self) -> str:
        return self.name


class Member(Row):
    """A user in a workspace."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="members")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role)
    # By a page or by a token of theirs; noted beside the request, so some minutes late.
    last_seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("workspace", "user", name="one_membership_per_user")]


class ApiToken(Row):
    """A hashed, scoped, expiring key for programs. The key itself is shown once and never stored."""

    class Kind(models.TextChoices):
        PERSONAL = "personal", _("Personal")
        RUN = "run", _("Run")
        # Starts one endpoint, and sees the runs that it started.
        ENDPOINT = "endpoint", _("Endpoint")
        # The link of an endpoint's form: no program signs in with it.
        FORM = "form", _("Form")

    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PERSONAL)
    user = models.ForeignKey(User, models.CASCADE, related_name="tokens", null=True)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="tokens")
    role = models.CharField(max_length=12, choices=Role)
    # A run's token opens that run and its tree only; the run lives in an app above, so its id stands here alone.
    run_id = models.UUIDField(null=True, db_index=True)
    root_run_id = models.UUIDField(null=True)
    # All that it opens, as workspaces.scopes.EndpointScope writes it; empty: what its role opens.
    scope = models.CharField(max_length=64, blank=True, db_index=True)
    # How many runs it starts in any hour; None is no limit.
    runs_per_hour = models.PositiveIntegerField(null=True)
    # The token that it was made with: it ends with that one.
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=24)
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    @property
    def endpoint(self) -> EndpointScope | None:
        """The one endpoint that it opens; None of a token that opens a workspace."""
        return EndpointScope.read(self.scope)

    def is_good(self, moment: datetime) -> bool:
        """Whether it is neither revoked nor expired then."""
        return self.revoked_at is None and not self.ends_before(moment)

    def ends_before(self, moment: datetime | None) -> bool:
        """Whether it expires before that; None is never."""
        return self.expires_at is not None and (moment is None or self.expires_at < moment)


class SignInLink(Row):
    """A one-time address that signs a user in and asks for a password."""

    user = models.ForeignKey(User, models.CASCADE, related_name="sign_in_links")
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class Invitation(Row):
    """Somebody who shall come into one workspace. Whoever follows the link and proves to be them becomes a member.

    The member's row gets this one's id. Without a name it is an open one: it lets in whoever holds the link, as often
    as it says. Only the link's digest is kept.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="invitations")
    username = models.CharField(max_length=150, blank=True)
    # How many more people it lets in.
    uses_left = models.PositiveSmallIntegerField(default=1)
    email = models.EmailField(blank=True)
    role = models.CharField(max_length=12, choices=Role)
    digest = models.CharField(max_length=64, unique=True)
    # It ends when this one is no owner any more, and with the token that it was made with.
    created_by = models.ForeignKey(User, models.CASCADE, related_name="+")
    token = models.ForeignKey(ApiToken, models.CASCADE, null=True, related_name="+")
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "workspace", "username", name="one_invitation_per_name", condition=~models.Q(username="")
            ),
        ]


class RunMade(Row):
    """What a step made outside of its tree, with its run's token: it may change that, and nothing else of the kind."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    root_run_id = models.UUIDField(db_index=True)
    # Of the kind and the name, which may be a path of a thousand letters.
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint("workspace", "digest", name="one_maker")]


class Secret(Row):
    """A value that programs of the workspace need and nobody shall see. Only its ciphertext is kept (core.encryption)."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="secrets")
    # As it was first written; "Key" and "key" are one.
    name = models.CharField(max_length=127)
    sealed = models.BinaryField()
    content_type = models.CharField(max_length=256, blank=True)
    # Who set the value that it has.
    changed_by = models.CharField(max_length=150)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(Lower("name"), "workspace", name="one_secret_per_name")]


class AuditEntry(Row):
    """Who did what to whom, and from where: kept apart from the outbox, for as long as the workspace's owner says."""

    class Via(models.TextChoices):
        PAGE = "page", _("Page")
        TOKEN = "token", _("Token")
        RUN = "run", _("Run")
        FORM = "form", _("Form")
        STUDIO = "studio", _("The studio itself")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="audit", null=True)
    actor = models.CharField(max_length=150)
    # Who answers for it: the actor, or the submitter of the run that did it.
    person = models.CharField(max_length=150, blank=True)
    # Empty of entries of earlier releases.
    via = models.CharField(max_length=8, choices=Via, blank=True)
    # Which token or run: what a token begins with and its name, a run's id.
    through = models.CharField(max_length=160, blank=True)
    action = models.CharField(max_length=64)
    target = models.CharField(max_length=200, blank=True)
    facts = models.JSONField(default=dict)
    # The entity tags of what a change has left, with blanks between them (workspaces.services.edits).
    left = models.CharField(max_length=160, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "-id"], name="audit_newest"),
            models.Index(fields=["workspace", "created_at"], name="audit_age"),
        ]

    @property
    def action_word(self) -> str:
        """What was done, in the reader's language."""
        return actions.word(self.action)


class Banner(models.Model):
    """What the owners of the installation say on every page. There is one row, or none."""

    class Level(models.TextChoices):
        INFO = "info", _("Note")
        WARNING = "warning", _("Warning")

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    text = models.CharField(max_length=500)
    level = models.CharField(max_length=8, choices=Level, default=Level.INFO)
    until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.text
