"""What images are built on is called by what it is: the tag of a base image."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("environments", "0006_log_errors")]
    operations = [
        migrations.RenameField("environmentversion", "ground", "base_tag"),
        migrations.RenameField("image", "ground", "base_tag"),
    ]
