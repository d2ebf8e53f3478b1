"""The page that shows the mails."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from inbox.folder import mails


@require_GET
@login_required
@never_cache
def mail_list(request: HttpRequest) -> HttpResponse:
    """List the mails to this user, the newest first; staff see all."""
    user = request.user
    address = str(getattr(user, "email", "")).lower()
    found = mails(settings.DEMO_MAILS, most=1000)
    if not user.is_staff:
        found = [mail for mail in found if address and address in mail.to]
    return render(request, "inbox/mails.html", {"mails": found[:100]})
