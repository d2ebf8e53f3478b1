"""The desk of the library. It is open to everybody."""

from typing import Any

from django_jobqueue.requests.views import JobFormView
from library.forms import ScanForm
from library.tasks import scan_chapter


class DeskView(JobFormView):
    """Take a request for the scan of a chapter."""

    task = scan_chapter
    form_class = ScanForm
    template_name = "library/desk.html"
    allow_anonymous = True
    address_field = "address"

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "is_anonymous": self.request.user.is_anonymous}

    def get_title(self, form: Any) -> str:
        return "{book}, chapter {chapter}".format(**form.cleaned_data)
