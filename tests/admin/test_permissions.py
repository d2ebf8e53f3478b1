"""Who may only look changes nothing, also not by forms made by hand."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from tests.admin.conftest import Seed
from tests.support.jobs import fill
from tests.support.pages import JOBS, QUEUES, SCHEDULES, WORKERS, page_of
from tests.support.schedule_rows import row_of

VIEW = ("view_job", "view_queue", "view_worker", "view_schedule", "view_payload", "view_sensitive")
ACTIONS = {
    JOBS: ("requeue", "run_now", "cancel", "delete", "prioritize", "move"),
    QUEUES: ("pause", "resume", "empty"),
    SCHEDULES: ("enable", "disable", "run", "delete"),
    WORKERS: ("delete", "quiet", "stop"),
}
YES = {"post": "yes", "confirmed": "yes", "spread": "600", "priority": "7", "queue": "b"}


def stored(engine: Engine) -> dict[Any, Any]:
    client = engine.client.redis
    return {key: client.dump(key) for key in client.keys("*")}


def posts(made: dict[str, str], schedule: str) -> list[tuple[str, dict[str, Any]]]:
    """Return everything that could be posted."""
    chosen = {
        JOBS: list(made.values()),
        QUEUES: ["default"],
        SCHEDULES: [schedule],
        WORKERS: ["worker-1"],
    }
    found: list[tuple[str, dict[str, Any]]] = []
    for url, verbs in ACTIONS.items():
        for verb in verbs:
            form = {"action": f"{verb}_selected", "_selected_action": chosen[url], "index": "0"}
            found += [(url, form | YES), (f"{url}?q=a", form | YES | {"select_across": "1"})]
    for job_id in made.values():
        for view in ("requeue", "run_now", "cancel", "delete", "change", "edit", "move"):
            found.append((page_of("job", job_id, view), YES | {"state": "failed"}))
    found += [(page_of("worker", "worker-1", view), YES) for view in ("quiet", "stop", "stacks")]
    found.append((f"{JOBS}add/?task=tests.project.run_tasks.order", YES | {"arg_name": "x"}))
    found += [(page_of("queue", "default", view), YES) for view in ("pause", "resume", "empty")]
    found += [(page_of("schedule", schedule, view), YES) for view in ("run", "delete", "change")]
    return found


def test_a_view_only_user_changes_nothing(staff: Any, engine: Engine, seed: Seed) -> None:
    made = seed.one_of_each()
    engine.leases.renew("worker-1", {"host": "mill", "pid": 7})
    fill(engine, 150, "mail")
    schedule = str(row_of("sum").pk)
    client = staff(*VIEW)
    before = stored(engine)
    for url, form in posts(made, schedule):
        answer = client.post(url, form)
        assert answer.status_code in {200, 302, 403}, url
    assert stored(engine) == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("user", ["nobody", "no staff"])
def test_others_change_nothing_either(
    django_user_model: Any, engine: Engine, seed: Seed, user: str
) -> None:
    made = seed.one_of_each()
    engine.leases.renew("worker-1", {"host": "mill", "pid": 7})
    schedule = str(row_of("sum").pk)
    client = Client()
    if user == "no staff":
        client.force_login(django_user_model.objects.create_user("eve"))
    before = stored(engine)
    for url, form in posts(made, schedule):
        assert client.post(url, form).status_code == 302, url
    assert stored(engine) == before


def test_every_change_takes_a_token(admin_user: Any, engine: Engine, seed: Seed) -> None:
    made = seed.one_of_each()
    engine.leases.renew("worker-1", {"host": "mill", "pid": 7})
    schedule = str(row_of("sum").pk)
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    before = stored(engine)
    for url, form in posts(made, schedule):
        assert client.post(url, form).status_code == 403, url
    assert stored(engine) == before
    assert engine.inspector.count(State.FAILED) == 1
