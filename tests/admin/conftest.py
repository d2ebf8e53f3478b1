"""Jobs in every state, made the way programs and workers make them, and people who look."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome
from tests.support.browser import Chromium, log_in
from tests.support.schedule_rows import row_of

TASK = "tests.project.tasks.noop"


class Seed:
    """Bring new jobs into a state. `running` and what follows it claim: begin with them."""

    def __init__(self, engine: Engine, make_job: Callable[..., str], slot: Slot) -> None:
        self.engine, self.make, self.slot = engine, make_job, slot
        self._slots = 0

    def queued(self, **given: object) -> str:
        return self.make(**given)

    def scheduled(self, due: int = 4_000_000_000_000, **given: object) -> str:
        return self.make(due=due, **given)

    def cancelled(self, **given: object) -> str:
        job_id = self.make(**given)
        self.engine.jobs.cancel(job_id)
        return job_id

    def running(self, **given: object) -> str:
        """Leave the job with a slot of its own."""
        self._slots += 1
        return self._claim(Slot(self.slot.worker, f"1.{self._slots}"), **given).id

    def succeeded(self, result: bytes = b"", **given: object) -> str:
        return self._finish(RunResult(Outcome.SUCCEEDED, value=result), **given)

    def failed(
        self, exception: str = "ValueError", traceback: str = "Traceback: no", **given: object
    ) -> str:
        settled = RunResult(
            Outcome.FAILED, reason="exception", exception=exception, traceback=traceback
        )
        return self._finish(settled, **given)

    def one_of_each(self) -> dict[str, str]:
        states = ("failed", "succeeded", "running", "cancelled", "scheduled", "queued")
        return {state: getattr(self, state)() for state in states}

    def _claim(self, slot: Slot, **given: object) -> Job:
        job_id = self.make(**given)
        claimed = self.engine.claims.claim(slot, [str(given.get("queue", "default"))])
        assert isinstance(claimed, Job)
        assert claimed.id == job_id, "the queue was not empty"
        return claimed

    def _finish(self, settled: RunResult, **given: object) -> str:
        claimed = self._claim(self.slot, **given)
        self.engine.claims.finish(self.slot, claimed, settled, [])
        return claimed.id


@pytest.fixture
def seed(engine: Engine, make_job: Callable[..., str], slot: Slot) -> Seed:
    return Seed(engine, make_job, slot)


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    """Log in a staff user who has the given permissions of the app, and no other."""

    def log_in(*codenames: str) -> Client:
        user = User.objects.create_user("anna", password="secret", is_staff=True)
        found = Permission.objects.filter(
            content_type__app_label="django_jobqueue", codename__in=codenames
        )
        assert len(found) == len(codenames)
        user.user_permissions.set(found)
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def people(transactional_db: None, admin_user: User) -> None:
    """Who may look at everything, and who may do one thing more; made before the browser starts."""
    all_of_them = Permission.objects.filter(content_type__app_label="django_jobqueue")
    looks = all_of_them.filter(codename__startswith="view_").exclude(codename="view_sensitive")
    for more in ("", "requeue_job", "cancel_job", "pause_queue", "manage_workers", "run_schedule"):
        user = User.objects.create_user(more or "viewer", password="password", is_staff=True)
        user.user_permissions.set(looks | all_of_them.filter(codename=more))


@pytest.fixture(params=["light", "dark"])
def visit(
    chromium: Chromium, live_server: Any, people: None, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Any]]:
    """Open a page of the admin as one of the people; complaints of the console fail the test."""
    with chromium.at(live_server.url) as browser:

        def start(url: str, name: str = "admin", **given: Any) -> Any:
            page = browser.page(color_scheme=request.param, **given)
            log_in(page, f"/admin/login/?next={quote(url)}", name)
            return page

        yield start


@pytest.fixture
def schedule(transactional_db: None) -> str:
    """A schedule, made before the browser starts: then the ORM is not to be used here."""
    return str(row_of("sum").pk)
