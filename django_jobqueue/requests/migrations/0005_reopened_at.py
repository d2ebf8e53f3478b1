from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_jobqueue_requests", "0004_tried_at")]

    operations = [
        migrations.AddField(
            model_name="jobrequest",
            name="reopened_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="opened again"),
        ),
    ]
