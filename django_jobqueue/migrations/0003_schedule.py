from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_jobqueue", "0002_view_sensitive"),
    ]

    operations = [
        migrations.CreateModel(
            name="Schedule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True, verbose_name="name")),
                ("from_code", models.BooleanField(default=False, verbose_name="as in the code")),
                ("overrides", models.BooleanField(default=False, editable=False)),
                (
                    "alias",
                    models.CharField(default="default", max_length=100, verbose_name="alias"),
                ),
                ("task", models.CharField(blank=True, max_length=500, verbose_name="task")),
                (
                    "args",
                    models.JSONField(blank=True, default=list, verbose_name="positional arguments"),
                ),
                (
                    "kwargs",
                    models.JSONField(blank=True, default=dict, verbose_name="keyword arguments"),
                ),
                ("cron", models.CharField(blank=True, max_length=200, verbose_name="cron")),
                (
                    "every_seconds",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        max_digits=13,
                        null=True,
                        verbose_name="every so many seconds",
                    ),
                ),
                (
                    "timezone",
                    models.CharField(blank=True, max_length=100, verbose_name="time zone"),
                ),
                ("queue", models.CharField(blank=True, max_length=64, verbose_name="queue")),
                (
                    "priority",
                    models.SmallIntegerField(blank=True, null=True, verbose_name="priority"),
                ),
                ("start", models.DateTimeField(blank=True, null=True, verbose_name="start")),
                ("end", models.DateTimeField(blank=True, null=True, verbose_name="end")),
                (
                    "catch_up",
                    models.CharField(
                        choices=[
                            ("skip", "none: skip them"),
                            ("last", "the last one"),
                            ("all", "all, up to a number"),
                        ],
                        default="skip",
                        max_length=4,
                        verbose_name="catch up",
                    ),
                ),
                (
                    "catch_up_max",
                    models.PositiveIntegerField(default=100, verbose_name="catch up at most"),
                ),
                (
                    "overlap",
                    models.CharField(
                        choices=[("allow", "fire anyway"), ("skip", "skip this time")],
                        default="allow",
                        max_length=5,
                        verbose_name="overlap",
                    ),
                ),
                ("enabled", models.BooleanField(default=True, verbose_name="enabled")),
                ("enabled_since", models.DateTimeField(blank=True, editable=False, null=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name": "schedule",
                "verbose_name_plural": "schedules",
                "ordering": ("name",),
                "permissions": [("run_schedule", "Can run schedule now")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("from_code", True),
                            models.Q(("cron", ""), ("every_seconds__isnull", False)),
                            models.Q(
                                models.Q(("cron", ""), _negated=True),
                                ("every_seconds__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="django_jobqueue_schedule_times",
                        violation_error_message="Give either cron or an interval.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("start__isnull", True),
                            ("end__isnull", True),
                            ("start__lt", models.F("end")),
                            _connector="OR",
                        ),
                        name="django_jobqueue_schedule_span",
                        violation_error_message="The start must be before the end.",
                    ),
                ],
            },
        ),
    ]
