"""The outbox: what happened, written in the transaction in which it happened."""

from __future__ import annotations

from django.db import models


class Event(models.Model):
    """One change of one topic, with the topic's version after it. Kept for catching up, then pruned."""

    id = models.BigAutoField(primary_key=True)
    topic = models.CharField(max_length=120)
    version = models.BigIntegerField()
    payload = models.JSONField(default=dict)
    lists = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("topic", "version", name="one_event_per_version")]
        indexes = [
            # The publisher asks for undelivered events only: a partial index keeps that O(undelivered).
            models.Index("id", name="event_undelivered", condition=models.Q(delivered_at__isnull=True)),
            models.Index("created_at", name="event_age"),
        ]

    def __str__(self) -> str:
        return f"{self.topic}@{self.version}"


class Beat(models.Model):
    """A part's sign of life, and who holds its lease: one row a name."""

    name = models.CharField(max_length=64, primary_key=True)
    owner = models.CharField(max_length=120, blank=True)
    since = models.DateTimeField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} of {self.owner}"


class IdempotencyKey(models.Model):
    """A request that was carried out: who asked by which key, and what came of it (core.once)."""

    id = models.BigAutoField(primary_key=True)
    scope = models.CharField(max_length=120)
    key = models.CharField(max_length=255)
    # Of method, address and body: the same key with another request is a mistake.
    fingerprint = models.CharField(max_length=64, blank=True)
    # The sha256 of the bytes that an upload brought; they are counted once they have come.
    content = models.CharField(max_length=64, blank=True)
    # What it made, by model and id; or the answer itself where it made nothing that can be shown again.
    made = models.CharField(max_length=64, blank=True)
    made_id = models.CharField(max_length=64, blank=True)
    status = models.PositiveSmallIntegerField(default=200)
    body = models.JSONField(null=True)
    location = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("scope", "key", name="one_deed_per_key")]
        indexes = [models.Index("created_at", name="idempotency_key_age")]

    def __str__(self) -> str:
        return f"{self.scope}:{self.key}"


class SpoolPiece(models.Model):
    """Bytes of a file that still grows, in a studio whose files lie on an object store (core.spools): without `data` they lie
    there already."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=120)
    offset = models.BigIntegerField()
    size = models.IntegerField()
    data = models.BinaryField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("name", "offset", name="one_piece_per_offset")]

    def __str__(self) -> str:
        return f"{self.name}@{self.offset}"


class ClosedSpool(models.Model):
    """One that grows no more: its first `size` bytes are to become the file `key` of a folder of the studio's own."""

    name = models.CharField(max_length=120, primary_key=True)
    folder = models.CharField(max_length=120)
    key = models.CharField(max_length=200)
    size = models.BigIntegerField()
    # What became of it is to go, too.
    is_removed = models.BooleanField(default=False)
    closed_at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return self.name
