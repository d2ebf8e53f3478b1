from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("django_jobqueue", "0005_run_edit_empty")]

    operations = [
        migrations.AlterModelOptions(
            name="job",
            options={
                "base_manager_name": "objects",
                "default_permissions": ("view", "delete"),
                "managed": False,
                "permissions": [
                    ("requeue_job", "Can requeue job"),
                    ("cancel_job", "Can cancel job"),
                    ("run_job", "Can run tasks that allow it"),
                    ("edit_job", "Can edit arguments, priority and queue of job"),
                    ("view_payload", "Can see arguments and results"),
                    ("view_sensitive", "Can see sensitive arguments and results"),
                ],
                "verbose_name": "job",
                "verbose_name_plural": "jobs",
            },
        ),
    ]
