from __future__ import annotations

from django.db import models

from pipelines.models import PipelineDraft
from runs.models.run import Run


class DraftRun(models.Model):
    """That a run was made of a draft, and which version of it. Written with the run."""

    run = models.OneToOneField(Run, models.CASCADE, primary_key=True, related_name="by_draft")
    draft = models.ForeignKey(PipelineDraft, models.CASCADE, related_name="+", db_index=False)
    version = models.PositiveIntegerField()

    class Meta:
        indexes = [models.Index(fields=["draft", "-run"], name="runs_of_draft")]

    def __str__(self) -> str:
        return f"{self.run_id} of {self.draft_id}"
