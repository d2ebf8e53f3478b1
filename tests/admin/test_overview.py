"""The front page of the app: what is wrong in words, then figures, charts and queues."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin import AdminSite
from django.test import Client
from django.utils import timezone

from django_jobqueue import schedule
from django_jobqueue.admin import QueueAdmin
from django_jobqueue.diagnosis.overview import read_overview
from django_jobqueue.diagnosis.problems import problems
from django_jobqueue.engine import Engine, queue_reader
from django_jobqueue.engine.claims import Slot
from django_jobqueue.models import Enqueued, Queue, Schedule
from tests.admin.conftest import Seed
from tests.project.tasks import noop
from tests.support.clock import Clock
from tests.support.jobs import fill
from tests.support.pages import QUEUES
from tests.support.places import DONE, FAILED, Make, claimed, finish

FRONT = "/admin/django_jobqueue/"
DATA = f"{QUEUES}overview/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("declarations")]


def live(engine: Engine, name: str = "w9", **given: Any) -> None:
    """Let a worker tell of itself, as its supervisor does."""
    record: dict[str, Any] = {"host": "mill", "pid": 1, "processes": 1, "threads": 1}
    engine.leases.renew(name, record | given)


def front(client: Client) -> str:
    answer = client.get(FRONT)
    assert answer.status_code == 200
    return answer.content.decode()


def said(engine: Engine) -> list[str]:
    return [one.text for one in problems(read_overview(engine))]


def figures(text: str) -> dict[str, str]:
    found = re.findall(r"<dt>(.*?)</dt><dd><bdi>(.*?)</bdi></dd>", text)
    return {label: re.sub(r"<.*?>", "", value) for label, value in found}


def test_nothing_is_wrong(admin_client: Client, engine: Engine, make_job: Make) -> None:
    live(engine)
    make_job()
    text = front(admin_client)
    assert "Nothing: jobs are run as they come." in text
    assert "jobqueue-failed" not in text


def test_no_worker_is_alive(
    admin_client: Client, engine: Engine, make_job: Make, clock: Clock
) -> None:
    clock.move(-7_200)
    for _ in range(3):
        make_job(queue="mail")
    clock.move(7_200)
    text = front(admin_client)
    assert re.search(
        r"No worker is alive: start manage.py jobworker. 3 jobs wait, the next one since .+ "
        r"\(2 h 0 min ago\)\.",
        text,
    )


def test_no_live_worker_listens(engine: Engine, make_job: Make) -> None:
    live(engine, queues="default")
    for _ in range(2):
        make_job(queue="mail")
    (text,) = said(engine)
    assert text.startswith("No live worker listens to the queue mail. 2 jobs wait, the next one")


def test_a_paused_queue_with_work(engine: Engine, make_job: Make) -> None:
    live(engine)
    engine.queues.pause("empty")
    engine.queues.pause("mail", by="anna")
    make_job(queue="mail")
    (text,) = said(engine)
    assert text.startswith("The queue mail was paused by anna at ")
    assert "1 job waits since " in text


def test_workers_are_behind(engine: Engine, make_job: Make, clock: Clock) -> None:
    live(engine)
    clock.move(-1_000)
    make_job()
    clock.move(1_000)
    live(engine)
    (text,) = said(engine)
    assert text.startswith("The workers are behind with the queue default. 1 job waits since ")


def test_a_worker_is_gone_or_faulty(engine: Engine, clock: Clock) -> None:
    clock.move(-120)
    live(engine, "w1")
    clock.move(120)
    live(engine, "w2", fault="it cannot claim")
    gone, faulty = said(engine)
    assert gone.startswith("The worker w1 is gone: it was last seen at ")
    assert faulty == "The worker w2 says: it cannot claim"


def test_schedules_that_nobody_fires(engine: Engine) -> None:
    live(engine)
    schedule("nightly", noop, every=60)
    assert said(engine) == [
        "Nothing is fired: no scheduler is alive. Start manage.py jobscheduler."
    ]
    at = engine.schedules.register("s1", {"nightly": "rule"}).now
    assert said(engine) == []
    since = engine.schedules.register("s1", {"nightly": "rule"}).since["nightly"]
    engine.schedules.record_missed("nightly", "rule", since=since, nominal=at + 1, count=2)
    (text,) = said(engine)
    assert text.startswith("The schedule nightly has missed 2 fires, the last at ")


def test_a_schedule_that_cannot_be_fired(engine: Engine) -> None:
    live(engine)
    Schedule.objects.create(name="lost", task="gone.task", every_seconds=60)
    (text,) = said(engine)
    assert text.startswith("The schedule lost can't be fired: There is no task 'gone.task'")


def test_problems_lead_to_what_they_are_about(
    admin_client: Client, engine: Engine, make_job: Make
) -> None:
    """Each page is there; with a second alias too, whose name stands before the queue's."""
    live(engine, "w2", fault="it cannot claim")
    engine.queues.pause("mail", by="anna")
    make_job(queue="mail")
    Schedule.objects.create(name="lost", task="gone.task", every_seconds=60)
    found = re.findall(r'<a href="([^"]+)">Show (\w+)</a>', front(admin_client))
    assert [name for _, name in found] == ["mail", "w2", "lost"]
    for url, name in found:
        answer = admin_client.get(url.replace("&amp;", "&"))
        assert answer.status_code == 200, url
        assert name in answer.content.decode()


def test_link_of_a_second_alias(
    admin_client: Client, engine: Engine, make_job: Make, settings: Any
) -> None:
    default = settings.TASKS["default"]
    live(engine)
    engine.queues.pause("mail", by="anna")
    make_job(queue="mail")
    settings.TASKS = {"default": default, "other": default}
    (url,) = re.findall(r'<a href="([^"]+)">Show mail</a>', front(admin_client))
    answer = admin_client.get(url)
    assert answer.status_code == 200
    assert "paused" in answer.content.decode()


def test_many_failures(engine: Engine, make_job: Make, slot: Slot) -> None:
    live(engine)
    for end in (*[DONE] * 99, *[FAILED] * 11):
        make_job()
        finish(engine, slot, claimed(engine, slot), end)
    assert said(engine) == ["11 of 110 jobs that ended in the last hour have failed."]
    make_job()
    finish(engine, slot, claimed(engine, slot))
    assert said(engine) == []


def test_few_failures_are_no_news(engine: Engine, make_job: Make, slot: Slot) -> None:
    """Else the sentence would come and go with each run."""
    live(engine)
    for _ in range(10):
        make_job()
        finish(engine, slot, claimed(engine, slot), FAILED)
    assert said(engine) == []


def test_a_worker_that_is_long_gone_is_no_news(
    engine: Engine, make_job: Make, clock: Clock
) -> None:
    """Unless a job still runs there."""
    clock.move(-7_200)
    live(engine, "w1")
    live(engine, "w2")
    clock.move(7_200)
    live(engine, "w3")
    assert said(engine) == []
    make_job()
    claimed(engine, Slot("w2", "0.0"))
    (text,) = said(engine)
    assert text.startswith("The worker w2 is gone: ")


def test_memory_is_nearly_full(engine: Engine) -> None:
    live(engine)
    client = engine.client.redis
    client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.05))
    try:
        (text,) = said(engine)
    finally:
        client.config_set("maxmemory", 0)
    assert re.match(r"Redis uses 9\d % of its memory: when it is full, it takes no new jobs", text)


def test_figures(admin_client: Client, engine: Engine, make_job: Make) -> None:
    live(engine, "worker-1", processes=2, threads=3)
    live(engine, "gone", stopping=1)
    make_job()
    claimed(engine, Slot("worker-1", "0.0"))
    engine.schedules.register("s1", {"nightly": "rule"})
    found = figures(front(admin_client))
    assert found["Busy slots"] == "1 of 6"
    assert found["Live workers"] == "1"
    assert found["Live schedulers"] == "1"
    assert re.fullmatch(r"\d+ MiB, no bound", found["Memory of Redis"])
    assert found["When it is full"] == "noeviction"
    assert found["Open requests"] == "0"
    assert "Durable jobs that wait for Redis" not in found  # there has been none yet
    row = Enqueued(job_id=uuid4(), alias="default", record="{}", created_at=timezone.now())
    row.save()
    assert figures(front(admin_client))["Durable jobs that wait for Redis"].startswith("1")


def test_charts_count_the_last_hour_and_day(
    admin_client: Client, engine: Engine, make_job: Make, slot: Slot, clock: Clock
) -> None:
    """In thousands with separators, and each failure can be seen."""
    live(engine)
    clock.move(-600)
    for end in (*[DONE] * 3, FAILED):
        make_job()
        finish(engine, slot, claimed(engine, slot), end)
    minute = int((datetime.now(UTC) - timedelta(minutes=2)).timestamp()) // 60
    engine.client.redis.hset(engine.client.keys("minute", str(minute)), "succeeded:mail", 41_997)
    text = front(admin_client)
    hour, day = re.findall(r'aria-label="(Last .*?)"', text)
    assert hour == "Last hour, by minute: 42,000 succeeded, 1 failed"
    assert day.startswith("Last day, by hour: ")
    assert "41,997 ended in the busiest" in text
    failed = re.findall(r'class="jobqueue-bar-failed".*?height="([\d.]+)"', text)
    assert failed[0] == "1.0"


def test_the_counts_of_hours_are_shown(admin_client: Client, engine: Engine) -> None:
    hour = int(datetime.now(UTC).timestamp()) // 3600
    for before, many in ((1, 5), (23, 7), (24, 100)):
        engine.client.redis.hset(
            engine.client.keys("hour", str(hour - before)), "succeeded:default", many
        )
    assert "Last day, by hour: 12 succeeded, 0 failed" in front(admin_client)


def test_queues_by_how_long_their_jobs_wait(
    admin_client: Client, engine: Engine, make_job: Make, clock: Clock
) -> None:
    clock.move(-3_600)
    make_job(queue="mail")
    clock.move(3_600)
    fill(engine, 1_234)
    text = front(admin_client)
    table = text[text.index("<tbody>") : text.index("</tbody>")]
    assert re.findall(r"<th scope=\"row\"><bdi><a.*?>(.*?)</a>", table) == ["mail", "default"]
    assert "<bdi>1\N{NO-BREAK SPACE}h 0\N{NO-BREAK SPACE}min</bdi>" in table
    assert 'href="/admin/django_jobqueue/job/?state=queued&amp;queue=default"' in table
    assert ">1,234</a>" in table
    assert ">1,235</td>" in text[text.index("<tfoot>") :]


def test_a_poll_gets_the_same_parts(admin_client: Client, engine: Engine, make_job: Make) -> None:
    live(engine)
    make_job()
    answer = admin_client.get(DATA)
    assert answer["Content-Type"] == "application/json"
    assert "no-store" in answer["Cache-Control"]
    parts = answer.json()["parts"]
    assert list(parts) == [
        f"jobqueue-{name}-default" for name in ("problems", "figures", "activity", "queues")
    ]
    text = front(admin_client)
    assert f'data-url="{DATA}"' in text
    assert all(f'<div id="{name}">' in text for name in parts)
    assert parts["jobqueue-problems-default"] in text
    assert admin_client.post(DATA).status_code == 405


def test_who_may_not_view_queues_sees_none_of_it(staff: Any, engine: Engine, seed: Seed) -> None:
    seed.queued(queue="mail")
    client = staff("view_job")
    text = front(client)
    assert "jobqueue-overview" not in text
    assert client.get(DATA).status_code == 403
    assert Client().get(DATA).status_code == 302


def test_what_is_wrong_with_workers_takes_their_permission(
    staff: Any, engine: Engine, clock: Clock
) -> None:
    schedule("nightly", noop, every=60)
    live(engine, "w2", fault="it cannot claim")
    text = front(staff("view_queue"))
    assert "it cannot claim" not in text
    assert "no scheduler is alive" not in text


def test_redis_is_away(admin_client: Client, settings: Any) -> None:
    entry = settings.TASKS["default"]
    settings.TASKS = {"default": entry | {"OPTIONS": {"URL": "unix:///no/such/socket"}}}
    assert "/no/such/socket" in front(admin_client)
    html, *others = admin_client.get(DATA).json()["parts"].values()
    assert "/no/such/socket" in html
    assert others == [""] * 3, "what is not known is left to the script, which dims it"


def test_one_alias_of_two_is_away(
    admin_client: Client, engine: Engine, make_job: Make, settings: Any
) -> None:
    make_job()
    here = settings.TASKS["default"]
    away = here | {"OPTIONS": {"URL": "unix:///no/such/socket"}}
    settings.TASKS = {"default": here, "archive": away}
    parts = admin_client.get(DATA).json()["parts"]
    assert "/no/such/socket" in parts["jobqueue-problems-archive"]
    assert parts["jobqueue-queues-archive"] == ""
    assert "queue=default&amp;alias=default" in parts["jobqueue-queues-default"]


def test_names_are_escaped(admin_client: Client, engine: Engine) -> None:
    live(engine, "<b>w</b>", fault="<script>")
    engine.client.redis.zadd(engine.client.keys("names"), {"<i>q</i>": 0})
    text = front(admin_client)
    assert "<b>w" not in text
    assert "<i>q" not in text
    assert "&lt;i&gt;q" in text


def test_ten_thousand_queues_are_read_in_part(
    admin_client: Client, engine: Engine, make_job: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 at most, those with work first; and the sums of the maintenance count all."""
    names = {f"q{number:05}": 0 for number in range(10_000)}
    engine.client.redis.zadd(engine.client.keys("names"), names)
    make_job(queue="q09999")
    while engine.queues.sum(10_000):
        pass
    looked, counts = list[int](), queue_reader.QueueReader.queue_counts

    def count(self: queue_reader.QueueReader, names: list[str]) -> Any:
        looked.append(len(names))
        return counts(self, names)

    monkeypatch.setattr(queue_reader.QueueReader, "queue_counts", count)
    text = front(admin_client)
    assert looked == [200]
    assert re.findall(r"<th scope=\"row\"><bdi><a.*?>(.*?)</a>", text)[0] == "q09999"
    assert "These are 25 of 10,000 queues, those first whose jobs wait longest." in text
    assert "All were counted" in text


def test_it_stands_on_other_sites(rf: Any, engine: Engine, admin_user: Any, make_job: Make) -> None:
    """A site of one's own shows it too."""
    make_job()
    site = AdminSite(name="operations")
    site.register(Queue, QueueAdmin)
    request = rf.get("/")
    request.user = admin_user
    answer = site.app_index(request, "django_jobqueue")
    text = answer.render().content.decode()
    assert "jobqueue-queues-default" in text
