"""The form for a path of this demo, which accepts no host, so no other host is reached."""

import re
from urllib.parse import quote, urlsplit

from django import forms
from django.conf import settings


class PathForm(forms.Form):
    """A path such as /homework/. Its address is `cleaned_data["url"]`."""

    path = forms.CharField(
        max_length=200,
        initial="/",
        help_text="A page of this demo, such as “/”, “/admin/” or “/no/such/page/”.",
        widget=forms.TextInput(attrs={"size": 40, "spellcheck": "false", "autocomplete": "off"}),
    )

    def clean_path(self) -> str:
        path = str(self.cleaned_data["path"])
        if not path.startswith("/") or path.startswith("//") or re.search(r"[\\\s\x00-\x1f]", path):
            raise forms.ValidationError(
                "Enter a path of this demo that starts with one “/”; other sites are not fetched."
            )
        return path

    def clean(self) -> dict[str, object]:
        cleaned: dict[str, object] = super().clean() or {}
        if "path" in cleaned:
            cleaned["url"] = own_address(str(cleaned["path"]))
        return cleaned


def own_address(path: str) -> str:
    """Return the address of a page of this demo; the host comes from settings, not from users."""
    home = urlsplit(getattr(settings, "DEMO_URL", "http://127.0.0.1:8000"))
    return f"{home.scheme}://{home.netloc}{quote(path, safe='/?&=%~')}"
