from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_jobqueue_requests", "0002_mail")]

    operations = [
        migrations.AddIndex(
            model_name="jobrequest",
            index=models.Index(
                condition=models.Q(("file", ""), _negated=True),
                fields=["file"],
                name="djq_request_file",
            ),
        ),
    ]
