import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import django_jobqueue.requests.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="JobRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=django_jobqueue.requests.models.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                        verbose_name="public ID",
                    ),
                ),
                (
                    "address",
                    models.EmailField(blank=True, max_length=254, verbose_name="e-mail address"),
                ),
                (
                    "ip",
                    models.GenericIPAddressField(blank=True, null=True, verbose_name="IP address"),
                ),
                ("task", models.CharField(max_length=500, verbose_name="task")),
                ("title", models.CharField(max_length=200, verbose_name="title")),
                ("alias", models.CharField(max_length=100, verbose_name="alias")),
                ("queue", models.CharField(max_length=64, verbose_name="queue")),
                ("job_id", models.UUIDField(db_index=True, null=True, verbose_name="job")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "in progress"),
                            ("succeeded", "done"),
                            ("partly", "partly done"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        default="open",
                        max_length=9,
                        verbose_name="state",
                    ),
                ),
                ("withdrawn", models.BooleanField(default=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="asked for"
                    ),
                ),
                (
                    "finished_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="finished"),
                ),
                (
                    "seen_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="result seen"),
                ),
                ("expected", models.FloatField(blank=True, null=True)),
                ("language", models.CharField(blank=True, max_length=20, verbose_name="language")),
                ("zone", models.CharField(blank=True, max_length=100, verbose_name="time zone")),
                ("base_url", models.CharField(blank=True, max_length=300)),
                ("notify", models.BooleanField(default=True, verbose_name="send a mail")),
                (
                    "notified_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="mail sent"),
                ),
                (
                    "mail_state",
                    models.CharField(
                        choices=[
                            ("none", "none"),
                            ("queued", "waits to be sent"),
                            ("sent", "sent"),
                            ("skipped", "not sent on purpose"),
                            ("failed", "could not be sent"),
                        ],
                        default="none",
                        max_length=7,
                        verbose_name="mail",
                    ),
                ),
                (
                    "mail_note",
                    models.CharField(blank=True, max_length=500, verbose_name="about the mail"),
                ),
                ("result_text", models.TextField(blank=True, verbose_name="result")),
                (
                    "result_url",
                    models.CharField(
                        blank=True, max_length=2000, verbose_name="address of the result"
                    ),
                ),
                (
                    "file",
                    models.FileField(blank=True, max_length=500, upload_to="", verbose_name="file"),
                ),
                (
                    "file_expires_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="file is kept until"),
                ),
                (
                    "failures",
                    models.JSONField(blank=True, default=list, verbose_name="what failed"),
                ),
                ("error_text", models.TextField(blank=True, verbose_name="error")),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="job_requests",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
            ],
            options={
                "verbose_name": "job request",
                "verbose_name_plural": "job requests",
                "permissions": [
                    ("cancel_jobrequest", "Can cancel job request"),
                    ("retry_jobrequest", "Can retry job request"),
                    ("resend_jobrequest", "Can send the mail of a job request again"),
                ],
                "default_permissions": ("view", "delete"),
                "indexes": [
                    models.Index(fields=["owner", "-created_at"], name="djq_request_owner"),
                    models.Index(
                        condition=models.Q(("seen_at__isnull", True)),
                        fields=["owner"],
                        name="djq_request_unseen",
                    ),
                    models.Index(
                        condition=models.Q(("owner__isnull", True)),
                        fields=["ip", "created_at"],
                        name="djq_request_ip",
                    ),
                    models.Index(
                        condition=models.Q(("owner__isnull", True)),
                        fields=["address", "created_at"],
                        name="djq_request_address",
                    ),
                    models.Index(fields=["task", "finished_at"], name="djq_request_task"),
                    models.Index(fields=["finished_at"], name="djq_request_finished"),
                    models.Index(
                        condition=models.Q(("file_expires_at__isnull", False)),
                        fields=["file_expires_at"],
                        name="djq_request_files",
                    ),
                ],
            },
        ),
    ]
