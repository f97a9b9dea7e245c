from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runs", "0007_uses_of_all")]
    # Of logs that are there it is not known.
    operations = [
        migrations.AddField("attempt", "log_errors", models.JSONField(null=True)),
        migrations.AlterField("attempt", "log_errors", models.JSONField(default=dict, null=True)),
    ]
