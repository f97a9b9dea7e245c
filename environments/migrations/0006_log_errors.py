from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("environments", "0005_said")]
    # Of logs that are there it is not known.
    operations = [
        migrations.AddField("environmentbuild", "log_errors", models.JSONField(null=True)),
        migrations.AlterField("environmentbuild", "log_errors", models.JSONField(default=dict, null=True)),
    ]
