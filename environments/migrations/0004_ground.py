"""What images are built on, so that equal locks on different bases are told apart."""

from hashlib import sha256

from django.db import migrations, models

MENDS_OLD_ROWS = True


def ground_of(definition):
    docker = definition.get("docker") or {}
    for part, kind in (("dockerfile", "duto/base"), ("image", "duto/pull")):
        if isinstance(text := docker.get(part), str) and text:
            return f"{kind}:{sha256(text.encode()).hexdigest()[:32]}"
    return ""


def fill(apps, schema_editor):
    versions = apps.get_model("environments", "EnvironmentVersion").objects
    for version in versions.only("definition", "ground").iterator():
        if ground := ground_of(version.definition):
            version.ground = ground
            version.save(update_fields=["ground"])


class Migration(migrations.Migration):
    dependencies = [("environments", "0003_lock_digest")]
    operations = [
        migrations.AddField("environmentversion", "ground", models.CharField(blank=True, default="", max_length=64), preserve_default=False),
        migrations.AddField("image", "ground", models.CharField(max_length=64, null=True)),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
