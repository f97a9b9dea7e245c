from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runs", "0012_sweeps")]

    operations = [
        migrations.AddField("attempt", "rank_count", models.PositiveSmallIntegerField(default=0)),
        migrations.CreateModel(
            name="RankLog",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rank", models.PositiveSmallIntegerField()),
                ("role", models.CharField(default="worker", max_length=8)),
                ("log_size", models.BigIntegerField(default=0)),
                ("log_errors", models.JSONField(default=dict, null=True)),
                ("exit_code", models.IntegerField(null=True)),
                ("signal", models.IntegerField(null=True)),
                ("was_ended", models.BooleanField(default=False)),
                (
                    "attempt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="ranks", to="runs.attempt"
                    ),
                ),
            ],
            options={"constraints": [models.UniqueConstraint("attempt", "rank", name="one_log_a_rank")]},
        ),
    ]
