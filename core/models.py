"""The journal: what happened, written in the transaction in which it happened."""

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
            # The postman asks for undelivered events only: a partial index keeps that O(undelivered).
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
