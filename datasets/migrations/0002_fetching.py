from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("datasets", "0001_initial")]
    operations = [
        migrations.AddField(
            "datasetversion", "status", models.CharField(default="ready", max_length=16), preserve_default=False
        ),
        migrations.AddField("datasetversion", "error", models.JSONField(null=True)),
        migrations.AddField("datasetversion", "asked_at", models.DateTimeField(null=True)),
        migrations.AddField("datasetversion", "lease_until", models.DateTimeField(null=True)),
        migrations.AddField("datasetversion", "tries", models.PositiveSmallIntegerField(default=0)),
        migrations.AddIndex(
            "datasetversion",
            models.Index(fields=["id"], name="dataset_version_fetching", condition=models.Q(status="fetching")),
        ),
    ]
