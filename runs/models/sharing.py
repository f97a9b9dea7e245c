from __future__ import annotations

from django.db import models

from runs.models.run import Run


class Sharing(models.Model):
    """Which members of a try of a parallel step have which of its mini-batches (runs.sharing)."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, models.CASCADE, related_name="+")
    number = models.PositiveIntegerField()
    state = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint("run", "number", name="one_sharing_of_try")]

    def __str__(self) -> str:
        return f"{self.run_id}, attempt {self.number}"
