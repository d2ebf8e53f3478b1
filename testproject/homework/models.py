"""The assignments with their keys. What students hand in are requests: see tasks.py."""

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.urls import reverse

from homework.grading import BrokenKey, KeyLine, judge


class Assignment(models.Model):
    """A list of questions that students answer in one file."""

    title = models.CharField(max_length=100)
    slug = models.SlugField(unique=True)
    description = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("homework:hand_in", args=[self.slug])


class Question(models.Model):
    """One question and its line of the key."""

    class Kind(models.TextChoices):
        CHOICE = "choice", "Multiple choice"  # answer: "B", or all that apply: "A, C"
        NUMBER = "number", "Number"  # answer: "9.81", accepted within the tolerance
        TEXT = "text", "Short text"  # answer: alternatives separated by "|"

    assignment = models.ForeignKey(Assignment, models.CASCADE, related_name="questions")
    label = models.CharField(
        max_length=6,
        validators=[RegexValidator(r"^\d+[a-z]?$", "A number, perhaps with a letter: 3 or 3b.")],
        help_text="What students write before their answer: a number, perhaps with a letter.",
    )
    text = models.TextField()
    kind = models.CharField(max_length=6, choices=Kind.choices)
    answer = models.CharField(
        max_length=200,
        help_text="Choice: the letters. Number: the value. Text: alternatives separated by “|”.",
    )
    tolerance = models.FloatField(
        default=0.0, help_text="For numbers: the largest difference that is still correct."
    )
    points = models.PositiveSmallIntegerField(default=1)

    class Meta:
        ordering = ["assignment", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["assignment", "label"], name="one_label_per_assignment")
        ]

    def __str__(self) -> str:
        return f"{self.label}. {self.text}"

    def clean(self) -> None:
        """Refuse a key that the grader can't use."""
        try:
            judge(self.as_key(), [self.answer])
        except BrokenKey as fault:
            raise ValidationError({"answer": str(fault)}) from None

    def as_key(self) -> KeyLine:
        """Return the question in the form that the grader uses."""
        return KeyLine(self.label, self.kind, self.answer, self.tolerance, self.points)
