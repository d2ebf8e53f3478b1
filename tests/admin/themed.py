"""All pages of the admin, for the settings of a theme; test_themes.py runs this."""

from django.test import Client

from tests.admin.conftest import Seed
from tests.support.pages import FAILURES, JOBS, QUEUES, SCHEDULES, TASKS, WORKERS, page_of
from tests.support.schedule_rows import row_of

KNOWN = ("state", "queue", "task", "tag", "exception", "only", "time", "order")


def test_all_pages_stand(admin_client: Client, seed: Seed) -> None:
    made = seed.one_of_each()
    seed.engine.leases.renew("worker-1", {"host": "mill", "pid": 1, "started_at": 1})
    schedule = page_of("schedule", str(row_of("sum").pk))
    urls = [page_of("job", job_id) for job_id in made.values()]
    urls += [page_of("job", made["failed"], view) for view in ("delete", "history")]
    urls += [page_of("queue", "default"), page_of("worker", "worker-1"), schedule]
    lists = [JOBS, f"{JOBS}?state=failed", f"{JOBS}?q=noop", QUEUES, WORKERS, SCHEDULES]
    lists += [FAILURES, TASKS]
    for url in ("/admin/", "/admin/django_jobqueue/", *lists, f"{SCHEDULES}add/", *urls):
        response = admin_client.get(url)
        assert response.status_code == 200, url
        assert "unfold" in response.content.decode()
    for spec in admin_client.get(JOBS, {"state": "failed"}).context["cl"].filter_specs:
        assert spec.parameter_name in KNOWN
