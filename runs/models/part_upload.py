from __future__ import annotations

from django.db import models

from datasets.models import Datastore
from runs.models.attempt import Attempt


class PartUpload(models.Model):
    """A file of an output that goes from its host to a far store in parts: begun there, and not yet given up or kept as part of
    an output. It outlives its attempt, so that nothing stays begun."""

    id = models.BigAutoField(primary_key=True)
    attempt = models.ForeignKey(Attempt, models.SET_NULL, null=True, related_name="+")
    epoch = models.PositiveIntegerField()
    datastore = models.ForeignKey(Datastore, models.CASCADE, related_name="+")
    output = models.CharField(max_length=255)
    # Where the file is to lie; and the digest of output and key, since a key may be too long for an index.
    key = models.TextField()
    name = models.CharField(max_length=64)
    size = models.BigIntegerField()
    part_size = models.BigIntegerField()
    # The name by which the store knows it.
    upload = models.TextField()
    # The tag of the file that was made of it; empty before.
    tag = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # When a store that did not take the end of it is asked again.
    due_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("attempt", "epoch", "name", name="one_part_upload_of_file")]

    def __str__(self) -> str:
        return f"{self.output}: {self.key}"
