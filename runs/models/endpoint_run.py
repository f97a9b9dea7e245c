from __future__ import annotations

from django.db import models

from pipelines.models import PipelineEndpoint, PipelineEndpointVersion
from runs.models.run import Run
from workspaces.models import ApiToken


class EndpointRun(models.Model):
    """That a run was started by the address or the form of an endpoint, which version that was, and by which token.
    Written with the run."""

    run = models.OneToOneField(Run, models.CASCADE, primary_key=True, related_name="by_endpoint")
    endpoint = models.ForeignKey(PipelineEndpoint, models.CASCADE, related_name="+", db_index=False)
    version = models.ForeignKey(PipelineEndpointVersion, models.CASCADE, related_name="runs")
    # The token of the endpoint, or the link of its form, that started it.
    token = models.ForeignKey(ApiToken, models.SET_NULL, null=True, related_name="+", db_index=False)

    class Meta:
        indexes = [
            models.Index(fields=["endpoint", "-run"], name="runs_of_endpoint"),
            models.Index(fields=["token", "-run"], name="runs_of_token"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} of {self.endpoint_id}"
