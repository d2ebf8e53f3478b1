"""The upload form, which checks a file before its answers are read."""

from django import forms

from homework.answers import ACCEPTED, MAX_BYTES, UnreadableFile, decode


class HandInForm(forms.Form):
    """A file of answers; the cleaned value is its text."""

    file = forms.FileField(
        label="Your answers",
        help_text=ACCEPTED,
        allow_empty_file=True,  # so that `decode` gives the message
        error_messages={"required": f"Choose the file with your answers first. {ACCEPTED}"},
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.txt,.tsv,text/plain,text/csv"}),
    )

    def clean_file(self) -> str:
        try:
            return decode(self.cleaned_data["file"].read(MAX_BYTES + 1))
        except UnreadableFile as fault:
            raise forms.ValidationError(str(fault)) from None
