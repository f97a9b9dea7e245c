from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0014_ledgers'),
    ]

    operations = [
        migrations.AlterField(
            model_name='run',
            name='kind',
            field=models.CharField(choices=[('pipeline', 'Pipeline'), ('step', 'Step'), ('script', 'Script'), ('sweep', 'Sweep'), ('automl', 'Automated ML'), ('trial', 'Trial'), ('child', 'Child'), ('interactive', 'Interactive')], max_length=12),
        ),
    ]
