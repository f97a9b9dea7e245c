import core.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('environments', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Image',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('status', models.CharField(choices=[('building', 'Building'), ('ready', 'Ready'), ('failed', 'Failed'), ('removed', 'Removed')], default='building', max_length=16)),
                ('host_id', models.UUIDField()),
                ('host_name', models.CharField(max_length=64)),
                ('tag', models.CharField(max_length=128)),
                ('image_id', models.CharField(blank=True, max_length=80)),
                ('lock_digest', models.CharField(blank=True, db_index=True, max_length=64)),
                ('recipe', models.JSONField(default=dict)),
                ('reason', models.TextField(blank=True)),
                ('message', models.TextField(blank=True)),
                ('progress', models.JSONField(default=dict)),
                ('size', models.BigIntegerField(default=0)),
                ('attempt_id', models.UUIDField(null=True)),
                ('started_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('cancel_requested_at', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(models.F('host_id'), models.F('tag'), name='one_image_per_host')],
            },
        ),
    ]
