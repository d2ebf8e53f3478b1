"""The form for the scan of a chapter."""

from django import forms

from library.books import BOOKS


class ScanForm(forms.Form):
    """A chapter of a book, and the address of a person who is not logged in."""

    book = forms.ChoiceField(choices=[(title, title) for title in BOOKS])
    chapter = forms.IntegerField(min_value=1)
    address = forms.EmailField(
        label="Your e-mail address", help_text="We send you a link to the scan."
    )

    def __init__(self, *args: object, is_anonymous: bool, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        if not is_anonymous:
            del self.fields["address"]

    def clean(self) -> dict[str, object]:
        cleaned: dict[str, object] = super().clean() or {}
        book, chapter = str(cleaned.get("book")), cleaned.get("chapter")
        if isinstance(chapter, int) and chapter > BOOKS.get(book, chapter):
            self.add_error("chapter", f"“{book}” has {BOOKS[book]} chapters.")
        return cleaned
