import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Assignment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=100)),
                ("slug", models.SlugField(unique=True)),
                ("description", models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name="Submission",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("filename", models.CharField(max_length=100)),
                ("content", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("handed_in", "Handed in"),
                            ("graded", "Graded"),
                            ("ungraded", "Could not be graded"),
                        ],
                        default="handed_in",
                        max_length=9,
                    ),
                ),
                ("mark", models.FloatField(blank=True, null=True)),
                ("out_of", models.PositiveIntegerField(blank=True, null=True)),
                ("feedback", models.JSONField(blank=True, default=dict)),
                ("reason", models.TextField(blank=True)),
                ("job_id", models.CharField(blank=True, max_length=64)),
                ("page", models.URLField(blank=True)),
                ("submitted_at", models.DateTimeField(auto_now_add=True)),
                ("graded_at", models.DateTimeField(blank=True, null=True)),
                ("mailed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "assignment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="submissions",
                        to="homework.assignment",
                    ),
                ),
                (
                    "student",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-submitted_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="Question",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "label",
                    models.CharField(
                        help_text="What students write before their answer: a number, perhaps with a letter.",
                        max_length=6,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^\\d+[a-z]?$", "A number, perhaps with a letter: 3 or 3b."
                            )
                        ],
                    ),
                ),
                ("text", models.TextField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("choice", "Multiple choice"),
                            ("number", "Number"),
                            ("text", "Short text"),
                        ],
                        max_length=6,
                    ),
                ),
                (
                    "answer",
                    models.CharField(
                        help_text="Choice: the letters. Number: the value. Text: alternatives separated by “|”.",
                        max_length=200,
                    ),
                ),
                (
                    "tolerance",
                    models.FloatField(
                        default=0.0,
                        help_text="For numbers: the largest difference that is still correct.",
                    ),
                ),
                ("points", models.PositiveSmallIntegerField(default=1)),
                (
                    "assignment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="questions",
                        to="homework.assignment",
                    ),
                ),
            ],
            options={
                "ordering": ["assignment", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("assignment", "label"), name="one_label_per_assignment"
                    )
                ],
            },
        ),
    ]
