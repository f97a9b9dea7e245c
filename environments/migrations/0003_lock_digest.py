"""What names an environment is the digest of its lock, and no host's word."""

from hashlib import sha256

from django.db import migrations

MENDS_OLD_ROWS = True


def recompute(apps, schema_editor):
    builds = apps.get_model("environments", "EnvironmentBuild").objects.filter(status="ready")
    for build in builds.only("lock", "lock_digest").iterator():
        digest = sha256(build.lock.encode()).hexdigest()
        if build.lock_digest != digest:
            build.lock_digest = digest
            build.save(update_fields=["lock_digest"])


class Migration(migrations.Migration):
    dependencies = [("environments", "0002_images")]
    operations = [migrations.RunPython(recompute, migrations.RunPython.noop)]
