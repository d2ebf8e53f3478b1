from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.CharField(
                        max_length=36, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("alias", models.CharField(max_length=100, verbose_name="alias")),
                ("task", models.CharField(max_length=500, verbose_name="task")),
                ("queue", models.CharField(max_length=64, verbose_name="queue")),
                ("state", models.CharField(max_length=10, verbose_name="state")),
                ("priority", models.SmallIntegerField(verbose_name="priority")),
            ],
            options={
                "verbose_name": "job",
                "verbose_name_plural": "jobs",
                "permissions": [
                    ("requeue_job", "Can requeue job"),
                    ("cancel_job", "Can cancel job"),
                    ("view_payload", "Can see arguments and results"),
                ],
                "managed": False,
                "default_permissions": ("view", "delete"),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Queue",
            fields=[
                (
                    "id",
                    models.CharField(
                        max_length=165, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("alias", models.CharField(max_length=100, verbose_name="alias")),
                ("name", models.CharField(max_length=64, verbose_name="queue")),
                ("paused", models.BooleanField(verbose_name="paused")),
            ],
            options={
                "verbose_name": "queue",
                "verbose_name_plural": "queues",
                "permissions": [("pause_queue", "Can pause and resume queue")],
                "managed": False,
                "default_permissions": ("view",),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Worker",
            fields=[
                (
                    "id",
                    models.CharField(
                        max_length=200, primary_key=True, serialize=False, verbose_name="worker"
                    ),
                ),
                ("alias", models.CharField(max_length=100, verbose_name="alias")),
                ("host", models.CharField(max_length=255, verbose_name="host")),
                ("pid", models.PositiveIntegerField(verbose_name="process ID")),
            ],
            options={
                "verbose_name": "worker",
                "verbose_name_plural": "workers",
                "managed": False,
                "default_permissions": ("view",),
                "base_manager_name": "objects",
            },
        ),
    ]
