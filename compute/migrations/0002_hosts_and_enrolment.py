import core.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0001_initial'),
        ('workspaces', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='computetarget',
            name='container_options',
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name='computetarget',
            name='hosts',
            field=models.ManyToManyField(blank=True, related_name='compute_targets', to='compute.host'),
        ),
        migrations.AddField(
            model_name='computetarget',
            name='launcher',
            field=models.CharField(blank=True, choices=[('process', 'Processes'), ('docker', 'Containers')], max_length=8),
        ),
        migrations.AddField(
            model_name='computetarget',
            name='network',
            field=models.CharField(choices=[('none', 'None'), ('studio', 'The studio only'), ('open', 'Open')], default='open', max_length=8),
        ),
        migrations.AddField(
            model_name='host',
            name='drained_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='host',
            name='environments',
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name='host',
            name='facts',
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name='host',
            name='launcher',
            field=models.CharField(choices=[('process', 'Processes'), ('docker', 'Containers')], default='process', max_length=8),
        ),
        migrations.AddField(
            model_name='host',
            name='workspace',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='hosts', to='workspaces.workspace'),
        ),
        migrations.CreateModel(
            name='Enrolment',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('token_digest', models.CharField(max_length=64, unique=True)),
                ('name', models.CharField(blank=True, max_length=64)),
                ('expires_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(null=True)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('host', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='compute.host')),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='enrolments', to='workspaces.workspace')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='HostSample',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('data', models.JSONField()),
                ('host', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='samples', to='compute.host')),
            ],
            options={
                'indexes': [models.Index(models.F('host'), models.F('at'), name='host_samples')],
            },
        ),
    ]
