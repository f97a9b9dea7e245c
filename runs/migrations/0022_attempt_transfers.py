from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0021_sharing'),
    ]

    operations = [
        migrations.AddField(
            model_name='attempt',
            name='transfers',
            field=models.JSONField(null=True),
        ),
    ]
