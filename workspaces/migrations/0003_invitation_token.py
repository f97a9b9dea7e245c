import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('workspaces', '0002_rights_that_end'),
    ]

    operations = [
        migrations.AddField(
            model_name='invitation',
            name='token',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.apitoken'),
        ),
    ]
