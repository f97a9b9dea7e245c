import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0003_host_names'),
        ('workspaces', '0003_invitation_token'),
    ]

    operations = [
        migrations.AddField(
            model_name='enrolment',
            name='token',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.apitoken'),
        ),
    ]
