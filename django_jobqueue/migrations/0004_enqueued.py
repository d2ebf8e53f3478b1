from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_jobqueue", "0003_schedule"),
    ]

    operations = [
        migrations.CreateModel(
            name="Enqueued",
            fields=[
                ("job_id", models.UUIDField(primary_key=True, serialize=False)),
                ("alias", models.CharField(max_length=100)),
                ("record", models.TextField()),
                ("created_at", models.DateTimeField()),
                ("accepted_at", models.DateTimeField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("succeeded", "succeeded"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                            ("duplicate", "duplicate"),
                        ],
                        default="open",
                        max_length=9,
                    ),
                ),
                ("round", models.PositiveIntegerField(default=1)),
                ("fence", models.CharField(blank=True, default="", max_length=100)),
                ("result", models.TextField(null=True)),
                ("reason", models.CharField(blank=True, default="", max_length=100)),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "durable job",
                "verbose_name_plural": "durable jobs",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(("accepted_at", None)),
                        fields=["alias", "job_id"],
                        name="djq_enqueued_relay",
                    ),
                    models.Index(
                        condition=models.Q(("state", "open")),
                        fields=["alias", "job_id"],
                        name="djq_enqueued_open",
                    ),
                    models.Index(
                        condition=models.Q(("state", "open"), _negated=True),
                        fields=["alias", "finished_at"],
                        name="djq_enqueued_final",
                    ),
                ],
            },
        ),
    ]
