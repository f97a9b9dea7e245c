from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0006_target_type'),
    ]

    operations = [
        migrations.AddField(
            model_name='computetarget',
            name='spark_master',
            field=models.CharField(blank=True, max_length=256),
        ),
        migrations.AlterField(
            model_name='computetarget',
            name='type',
            field=models.CharField(choices=[('AmlCompute', 'Cluster'), ('DataFactory', 'Data transfers'), ('Batch', 'Batch'), ('SynapseSpark', 'Spark'), ('Databricks', 'Spark (Databricks)')], default='AmlCompute', max_length=16),
        ),
    ]
