from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("django_jobqueue", "0004_enqueued")]

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
                    ("edit_job", "Can edit arguments and priority of job"),
                    ("view_payload", "Can see arguments and results"),
                    ("view_sensitive", "Can see sensitive arguments and results"),
                ],
                "verbose_name": "job",
                "verbose_name_plural": "jobs",
            },
        ),
        migrations.AlterModelOptions(
            name="queue",
            options={
                "base_manager_name": "objects",
                "default_permissions": ("view",),
                "managed": False,
                "permissions": [
                    ("pause_queue", "Can pause and resume queue"),
                    ("empty_queue", "Can delete all jobs that wait in queue"),
                ],
                "verbose_name": "queue",
                "verbose_name_plural": "queues",
            },
        ),
    ]
