from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_jobqueue_requests", "0003_file_index")]

    operations = [
        migrations.AddField(
            model_name="jobrequest",
            name="tried_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="tried again"),
        ),
    ]
