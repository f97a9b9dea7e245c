from __future__ import annotations

from django.db import models

from pipelines.models import PipelineEndpoint, PipelineEndpointVersion
from runs.models.run import Run


class EndpointRun(models.Model):
    """That a run was started by the address of an endpoint, and which version that was. Written with the run."""

    run = models.OneToOneField(Run, models.CASCADE, primary_key=True, related_name="by_endpoint")
    endpoint = models.ForeignKey(PipelineEndpoint, models.CASCADE, related_name="+", db_index=False)
    version = models.ForeignKey(PipelineEndpointVersion, models.CASCADE, related_name="runs")

    class Meta:
        indexes = [models.Index(fields=["endpoint", "-run"], name="runs_of_endpoint")]

    def __str__(self) -> str:
        return f"{self.run_id} of {self.endpoint_id}"
