from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0002_hosts_and_enrolment'),
    ]

    operations = [
        migrations.AlterField(
            model_name='host',
            name='name',
            field=models.SlugField(max_length=64),
        ),
        migrations.AddConstraint(
            model_name='host',
            constraint=models.UniqueConstraint(models.F('workspace'), models.F('name'), name='one_host_per_name'),
        ),
        migrations.AddConstraint(
            model_name='host',
            constraint=models.UniqueConstraint(models.F('name'), condition=models.Q(('workspace', None)), name='one_shared_host_per_name'),
        ),
    ]
