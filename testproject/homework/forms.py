"""The upload form, which checks a file before its answers are read."""

from pathlib import PurePath

from django import forms
from django.core.files.uploadedfile import UploadedFile

from homework.answers import ACCEPTED, MAX_BYTES, UnreadableFile, decode


class HandInForm(forms.Form):
    """A file of answers. Its text is `cleaned_data["content"]`."""

    file = forms.FileField(
        label="Your answers",
        help_text=ACCEPTED,
        allow_empty_file=True,  # so that `decode` gives the message
        error_messages={"required": f"Choose the file with your answers first. {ACCEPTED}"},
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.txt,.tsv,text/plain,text/csv"}),
    )

    def clean(self) -> dict[str, object]:
        cleaned: dict[str, object] = super().clean() or {}
        upload = cleaned.get("file")
        if isinstance(upload, UploadedFile):
            try:
                cleaned["content"] = decode(upload.read(MAX_BYTES + 1))
            except UnreadableFile as fault:
                self.add_error("file", str(fault))
            cleaned["filename"] = PurePath(upload.name or "answers").name[-100:]
        return cleaned
