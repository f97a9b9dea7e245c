from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('datasets', '0005_profile_runs'),
    ]

    operations = [
        migrations.AlterField(
            model_name='datastore',
            name='kind',
            field=models.CharField(choices=[('local', 'Local folder'), ('azure_blob', 'Azure Blob container'), ('adls_gen2', 'Azure Data Lake Storage Gen2'), ('azure_files', 'Azure file share'), ('s3', 'S3 bucket'), ('gcs', 'Google Cloud Storage bucket'), ('sftp', 'SFTP folder'), ('http', 'Web server or WebDAV (read only)'), ('postgresql', 'PostgreSQL database'), ('mysql', 'MySQL or MariaDB database'), ('sqlserver', 'SQL Server or Azure SQL database'), ('sqlite', 'SQLite file'), ('duckdb', 'DuckDB file')], default='local', max_length=16),
        ),
    ]
