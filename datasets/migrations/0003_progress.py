from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("datasets", "0002_fetching")]
    operations = [migrations.AddField("datasetversion", "progress", models.JSONField(null=True))]
