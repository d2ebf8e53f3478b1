"""The links between admin pages; without the page on a site, a link is plain text."""

from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def page_url(site: AdminSite, model: type[Model], pk: str, view: str = "change") -> str:
    """Return the URL of a view of one row.

    Raises: NoReverseMatch if the site does not have the model.
    """
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}"
    return reverse(name, args=[quote(pk)], current_app=site.name)


def list_url(site: AdminSite, model: type[Model], **filters: str) -> str:
    """Return the URL of a filtered list; see `page_url` for errors."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    url = reverse(name, current_app=site.name)
    return f"{url}?{urlencode(filters)}" if filters else url


def page_link(
    site: AdminSite, model: type[Model], pk: str, text: str | None = None
) -> SafeString | str:
    """Return a link to the page of one row."""
    shown = pk if text is None else text
    try:
        return format_html('<a href="{}">{}</a>', page_url(site, model, pk), shown)
    except NoReverseMatch:
        return shown


def list_link(
    site: AdminSite, model: type[Model], text: object, label: object = "", **filters: str
) -> SafeString | str:
    """Return a link to a filtered list; `label` describes it to screen readers."""
    try:
        url = list_url(site, model, **filters)
    except NoReverseMatch:
        return str(text)
    if not label:
        return format_html('<a href="{}">{}</a>', url, text)
    return format_html('<a href="{}" aria-label="{}">{}</a>', url, label, text)
