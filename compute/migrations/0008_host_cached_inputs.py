from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0007_spark_master'),
    ]

    operations = [
        migrations.AddField(
            model_name='host',
            name='cached_inputs',
            field=models.JSONField(default=dict),
        ),
    ]
