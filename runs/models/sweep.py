from __future__ import annotations

from django.db import models

from runs.models.run import Run


class Sweep(models.Model):
    """What a run whose step is a sweep adds to it, from its start on: what decisions go on from."""

    run = models.OneToOneField(Run, models.CASCADE, primary_key=True, related_name="sweep")
    # What all draws follow from, so that one that was lost is the same when it is drawn again.
    seed = models.BigIntegerField()
    # After it no trial starts, and those at work are stopped.
    deadline = models.DateTimeField()
    # There are no more values to try, however many trials are allowed.
    is_exhausted = models.BooleanField(default=False)

    is_over = models.BooleanField(default=False)

    class Meta:
        # The ticker asks for those at work.
        indexes = [models.Index("run", name="sweep_open", condition=models.Q(is_over=False))]

    def __str__(self) -> str:
        return str(self.run_id)


class Trial(models.Model):
    """What a run that a sweep started adds to it: its values, and why the sweep stopped it."""

    run = models.OneToOneField(Run, models.CASCADE, primary_key=True, related_name="trial")
    sweep = models.ForeignKey(Sweep, models.CASCADE, related_name="trials")
    number = models.PositiveIntegerField()
    # In the order of the space, and where they lie in the space of quantiles (`runs.sweeps.sampling`).
    values = models.JSONField()
    point = models.JSONField(default=list)
    # So often had it logged the primary metric when the policy was last applied to it.
    evaluated = models.PositiveIntegerField(default=0)
    # {"code", "facts"} of `runs.stored_messages`.
    stopped = models.JSONField(null=True)
    # The trial of an earlier sweep that this one goes on from.
    resumed_from = models.ForeignKey(Run, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint("sweep", "number", name="one_trial_number")]

    def __str__(self) -> str:
        return f"#{self.number} of {self.sweep_id}"
