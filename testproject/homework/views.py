"""The student's pages: the assignments, the upload, and the submission with its status."""

from dataclasses import asdict
from pathlib import Path

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from homework.forms import HandInForm
from homework.models import Assignment, Submission
from homework.status import status_of
from homework.tasks import grade_submission

SAMPLES = Path(__file__).parent / "samples"
SAMPLES_OF = "computing-basics"  # the assignment that the sample files answer


class StudentRequest(HttpRequest):
    """A request of a user who is logged in."""

    user: User


@require_GET
@login_required
def assignments(request: StudentRequest) -> HttpResponse:
    """List the assignments and what this student handed in."""
    mine = Submission.objects.filter(student=request.user).select_related("assignment")[:50]
    context = {"assignments": Assignment.objects.all(), "submissions": mine}
    return render(request, "homework/assignments.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def hand_in(request: StudentRequest, slug: str) -> HttpResponse:
    """Show the questions and accept a file of answers."""
    assignment = get_object_or_404(Assignment, slug=slug)
    form = HandInForm(request.POST, request.FILES) if request.method == "POST" else HandInForm()
    if form.is_valid():
        return redirect(_store(request, assignment, form))
    samples = sorted(path.name for path in SAMPLES.iterdir()) if slug == SAMPLES_OF else []
    context = {"assignment": assignment, "form": form, "samples": samples}
    return render(request, "homework/hand_in.html", context)


@transaction.atomic
def _store(request: StudentRequest, assignment: Assignment, form: HandInForm) -> Submission:
    """Store the file; its grading is enqueued when this transaction commits."""
    submission = Submission.objects.create(
        student=request.user,
        assignment=assignment,
        filename=form.cleaned_data["filename"],
        content=form.cleaned_data["content"],
    )
    submission.page = request.build_absolute_uri(submission.get_absolute_url())
    submission.job_id = grade_submission.enqueue(submission.pk).id
    submission.save(update_fields=["page", "job_id"])
    return submission


@require_GET
@login_required
@never_cache
def submission(request: StudentRequest, pk: int) -> HttpResponse:
    """Show one submission to the student who handed it in."""
    found = _own(request.user, pk)
    status = status_of(found)
    if status.done:
        found.refresh_from_db()
    return render(request, "homework/submission.html", {"submission": found, "status": status})


@require_GET
@login_required
@never_cache
def status(request: StudentRequest, pk: int) -> HttpResponse:
    """Return the status of the grading to the page's script."""
    return JsonResponse(asdict(status_of(_own(request.user, pk))))


@require_POST
@login_required
def enqueue_again(request: StudentRequest, pk: int) -> HttpResponse:
    """Enqueue the grading of a submission whose job the queue does not know."""
    with transaction.atomic():
        found = _own(request.user, pk)
        if status_of(found).unknown:
            found.job_id = grade_submission.enqueue(found.pk).id
            found.save(update_fields=["job_id"])
    return redirect(found)


def _own(user: User, pk: int) -> Submission:
    """Return a submission of this student; raise Http404 for anyone else's."""
    found: Submission = get_object_or_404(
        Submission.objects.select_related("assignment"), pk=pk, student=user
    )
    return found


@require_GET
@login_required
def sample(request: HttpRequest, name: str) -> FileResponse:
    """Download one of the sample files."""
    for path in SAMPLES.iterdir():
        if path.name == name:
            return FileResponse(path.open("rb"), as_attachment=True, filename=name)
    raise Http404
