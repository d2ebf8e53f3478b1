"""The page of one job: what it says in each state, and to whom."""

import re
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.redaction import HIDDEN
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome
from tests.admin.conftest import Seed
from tests.support import payloads
from tests.support.clock import Clock
from tests.support.flows import started
from tests.support.pages import JOBS, WORKERS, page_of

ECHO = "tests.project.tasks.echo"
SPILL = "tests.project.elsewhere.spill"
CALL = b'{"args":["Zo\xc3\xab",2],"kwargs":{"copy":true}}'


def show(client: Client, job_id: str) -> str:
    response = client.get(page_of("job", job_id))
    assert response.status_code == 200
    return response.content.decode()


def main_of(text: str) -> str:
    """Return the part of a page in which values stand: ids and times have digits too."""
    return "".join(re.findall(r'<pre class="jobqueue-text".*?</pre>', text, re.DOTALL))


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("queued", "It is the next of its queue."),
        ("scheduled", "Due"),
        ("running", "worker-1"),
        ("succeeded", "Finished"),
        ("failed", "the task raised an exception"),
        ("cancelled", "cancelled by hand"),
    ],
)
def test_it_stands_in_every_state(admin_client: Client, seed: Seed, state: str, says: str) -> None:
    text = show(admin_client, seed.one_of_each()[state])
    assert f"jobqueue-{state}" in text
    assert says in text


def test_nothing_on_it_can_be_edited(admin_client: Client, seed: Seed) -> None:
    job_id = seed.queued()
    text = show(admin_client, job_id)
    assert 'name="_save"' not in text
    assert admin_client.post(page_of("job", job_id), {"state": "failed"}).status_code == 403


def test_it_tells_how_many_jobs_are_before_it(admin_client: Client, seed: Seed) -> None:
    seed.queued()
    seed.queued()
    assert "2 jobs of its queue are ahead of it." in show(admin_client, seed.queued())


def test_it_shows_arguments_and_result(admin_client: Client, seed: Seed) -> None:
    text = show(admin_client, seed.succeeded(data=CALL, result=b'{"mark":1.5}'))
    assert "&quot;Zoë&quot;,\n    2" in text
    assert "{\n  &quot;mark&quot;: 1.5\n}" in text


def test_without_the_permission_values_are_not_shown(staff: Any, seed: Seed) -> None:
    text = show(staff("view_job"), seed.succeeded(data=CALL, result=b'"top secret"'))
    assert "Zoë" not in text
    assert "top secret" not in text
    assert text.count("You need the permission to see arguments and results.") == 2


def test_with_the_permission_values_are_shown(staff: Any, seed: Seed) -> None:
    job_id = seed.succeeded(task=ECHO, data=CALL, result=b'"secret"')
    text = show(staff("view_job", "view_payload"), job_id)
    assert "Zoë" in text
    assert "secret" in text
    assert HIDDEN not in text


def test_secrets_take_a_permission_of_their_own(staff: Any, seed: Seed) -> None:
    """By the names of the signature, of keywords and of nested keys, in arguments and results."""
    job_id = seed.succeeded(
        task=SPILL,
        data=b'{"args":[50,"4711"],"kwargs":{"note":"hello","api_key":"k-1","login":{"token":987654}}}',
        result=b'{"user":"anna","secret":["s-1"]}',
    )
    text = show(staff("view_job", "view_payload"), job_id)
    for secret in ("4711", "k-1", "s-1", "9\n"):
        assert secret not in main_of(text)
    for plain in ("50", "hello", "anna"):
        assert plain in text
    assert text.count(f"&quot;{HIDDEN}&quot;") == 4
    assert text.count("To see it takes one more permission.") == 2


def test_metadata_stand_below_the_arguments(staff: Any, seed: Seed) -> None:
    """Escaped, and with the same masks."""
    data = b'{"args":[],"kwargs":{},"metadata":{"tenant":"<b>ada</b>","api_token":"t-1"}}'
    job_id = seed.queued(task=ECHO, data=data)
    text = main_of(show(staff("view_job", "view_payload"), job_id))
    assert "&quot;tenant&quot;: &quot;&lt;b&gt;ada&lt;/b&gt;&quot;" in text
    assert "t-1" not in text


def test_with_that_permission_secrets_are_shown(staff: Any, seed: Seed) -> None:
    job_id = seed.succeeded(
        task=SPILL,
        data=b'{"args":[50,"4711"],"kwargs":{"api_key":"k-1"}}',
        result=b'{"secret":["s-1"]}',
    )
    text = show(staff("view_job", "view_payload", "view_sensitive"), job_id)
    for secret in ("4711", "k-1", "s-1"):
        assert secret in text
    assert HIDDEN not in text


def test_that_permission_alone_shows_nothing(staff: Any, seed: Seed) -> None:
    job_id = seed.succeeded(task=SPILL, data=b'{"args":[50,"4711"],"kwargs":{}}')
    assert "4711" not in main_of(show(staff("view_job", "view_sensitive"), job_id))


def test_words_of_the_project_mark_secrets_too(
    staff: Any, seed: Seed, settings: Any, engine: Engine
) -> None:
    tasks = settings.TASKS["default"]
    settings.TASKS = {"default": tasks | {"OPTIONS": tasks["OPTIONS"] | {"SENSITIVE": ["motto"]}}}
    job_id = seed.queued(task=ECHO, data=b'{"args":[],"kwargs":{"motto":"m-1","name":"n-1"}}')
    text = show(staff("view_job", "view_payload"), job_id)
    assert "m-1" not in main_of(text)
    assert "n-1" in text


def test_positional_arguments_of_an_unknown_task_are_hidden(staff: Any, seed: Seed) -> None:
    """Nobody knows what they are called."""
    job_id = seed.queued(task="gone.task", data=b'{"args":["a-1"],"kwargs":{"name":"n-1"}}')
    text = show(staff("view_job", "view_payload"), job_id)
    assert "a-1" not in main_of(text)
    assert "n-1" in text


def test_a_path_that_nobody_signed_is_not_imported(staff: Any, seed: Seed, engine: Engine) -> None:
    job_id = seed.succeeded(task="tests.project.trap.task", result=b'{"token":1,"name":"n-1"}')
    payloads.put(engine, job_id, b"1.forged.{}")
    text = show(staff("view_job", "view_payload"), job_id)
    assert "n-1" in text
    assert HIDDEN in text
    assert "tests.project.trap" not in sys.modules


@pytest.mark.parametrize("result", [b'{"token": "t-1"', b"[" * 50_000 + b't-1"'])
def test_a_result_that_can_not_be_read_is_not_searched_for_secrets(
    staff: Any, seed: Seed, result: bytes
) -> None:
    text = show(staff("view_job", "view_payload"), seed.succeeded(result=result))
    assert "t-1" not in main_of(text)
    assert "It can&#x27;t be read: this is no JSON." in text


def test_arguments_that_others_wrote_are_not_shown(
    admin_client: Client, seed: Seed, engine: Engine
) -> None:
    job_id = seed.queued()
    forged = engine.signer.sign(job_id, "another.task", b'{"args":["forged"],"kwargs":{}}')
    payloads.put(engine, job_id, forged)
    text = show(admin_client, job_id)
    assert "Not signed by this project" in text
    assert "forged" not in text


@pytest.mark.parametrize("data", [b"7", b"not json", b"[" * 50_000])
def test_arguments_of_another_form_are_not_shown(
    admin_client: Client, seed: Seed, data: bytes
) -> None:
    assert "They can&#x27;t be read" in show(admin_client, seed.queued(data=data))


def test_lost_arguments_are_called_lost(admin_client: Client, seed: Seed, engine: Engine) -> None:
    job_id = seed.queued()
    kept = payloads.read(engine, job_id)
    payloads.drop(engine, job_id)
    assert "The record of the arguments is lost." in show(admin_client, job_id)
    payloads.put(engine, job_id, kept)  # the auditor misses it otherwise


@pytest.mark.parametrize("result", [b"[" * 50_000, b"\xff\xfe", b"9" * 5_000])
def test_a_result_that_is_no_json_is_shown_as_text(
    admin_client: Client, seed: Seed, result: bytes
) -> None:
    show(admin_client, seed.succeeded(result=result))


def test_a_long_result_is_cut(admin_client: Client, seed: Seed) -> None:
    text = show(admin_client, seed.succeeded(result=b'"%s"' % (b"x" * 60_000)))
    assert "cut here: 60002 characters in all" in text
    assert len(text) < 60_000


def test_it_shows_progress(admin_client: Client, seed: Seed, engine: Engine) -> None:
    job_id = seed.running()
    engine.jobs.progress(job_id, engine.inspector.job(job_id).fence, 3, 8, "sheets")
    text = show(admin_client, job_id)
    assert '<progress value="3" max="8"' in text
    assert "3 of 8 sheets" in text


def test_it_shows_the_log_with_its_times(
    admin_client: Client, seed: Seed, engine: Engine, settings: Any
) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    job_id = seed.running()
    for line in ("first <b>", "second"):
        engine.jobs.log(job_id, engine.inspector.job(job_id).fence, line)
    text = show(admin_client, job_id)
    (at, _), _second = engine.inspector.job(job_id).log
    tokyo = datetime.fromtimestamp(at / 1000, ZoneInfo("Asia/Tokyo"))
    assert f">{tokyo:%Y-%m-%d %H:%M:%S}.{at % 1000:03}</time>" in text
    assert text.index("first &lt;b&gt;") < text.index("<bdi>second</bdi>")


def test_without_lines_there_is_no_log(admin_client: Client, seed: Seed) -> None:
    assert "jobqueue-lines" not in show(admin_client, seed.queued())


def test_one_timeline_tells_of_all_runs(
    admin_client: Client, engine: Engine, seed: Seed, slot: Slot, clock: Clock
) -> None:
    """Each with its fence, its error and the lines that it wrote, and the requeue between them."""
    job_id = seed.running()
    first = engine.inspector.job(job_id)
    engine.jobs.log(job_id, first.fence, "of the first run")
    traceback = "Traceback\n  File x\napp.Bad: it <broke>\nand more"
    end = RunResult(Outcome.FAILED, reason="exception", exception="app.Bad", traceback=traceback)
    engine.claims.finish(Slot("worker-1", "1.1"), first, end, [])
    clock.move(1)
    engine.jobs.requeue(job_id)
    second: Any = engine.claims.claim(slot, ["default"])
    engine.jobs.log(job_id, second.fence, "of the second run")
    text = show(admin_client, job_id)
    steps = [
        "Enqueued",
        "Attempt 1: failed",
        first.fence,
        "app.Bad: it &lt;broke&gt;",
        "of the first run",
        "Requeued by hand",
        "Runs now, attempt 1",
        second.fence,
        "of the second run",
    ]
    places = [text.index(step, text.index("jobqueue-timeline")) for step in steps]
    assert places == sorted(places), list(zip(steps, places, strict=True))


def test_the_latest_error_stands_at_the_top(staff: Any, seed: Seed) -> None:
    """What it says takes the permission to see arguments."""
    said = "Traceback (most recent call last):\n  File x\nValueError: no such sheet"
    failed = seed.failed(exception="builtins.ValueError", traceback=said)
    text = show(staff("view_job"), failed)
    assert "builtins.ValueError" in text[: text.index("field-task_path")]
    assert "no such sheet" not in text
    user = User.objects.get()
    user.user_permissions.add(Permission.objects.get(codename="view_payload"))
    client = Client()
    client.force_login(user)
    text = show(client, failed)
    assert "ValueError: no such sheet</bdi>" in text[: text.index("field-task_path")]
    assert "Latest error" not in show(client, seed.succeeded())


def test_it_shows_the_runs_with_their_tracebacks(admin_client: Client, seed: Seed) -> None:
    text = show(admin_client, seed.failed(exception="builtins.ValueError", traceback="File <x>"))
    assert "builtins.ValueError" in text
    assert "File &lt;x&gt;</pre>" in text


def test_a_job_that_is_not_there_is_said_to_be_missing(admin_client: Client, seed: Seed) -> None:
    response = admin_client.get(page_of("job", new_id()), follow=True)
    assert "doesn’t exist" in response.content.decode()


def test_the_history_has_a_page(admin_client: Client, seed: Seed) -> None:
    assert admin_client.get(page_of("job", seed.queued(), "history")).status_code == 200


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        ("queued", {"cancel"}),
        ("scheduled", {"run_now", "cancel"}),
        ("running", {"cancel"}),
        ("succeeded", {"requeue"}),
        ("failed", {"requeue"}),
        ("cancelled", {"requeue"}),
    ],
)
def test_it_has_the_buttons_that_its_state_allows(
    admin_client: Client, seed: Seed, state: str, buttons: set[str]
) -> None:
    job_id = seed.one_of_each()[state]
    text = show(admin_client, job_id)
    for verb in ("requeue", "run_now", "cancel"):
        assert (f'action="{page_of("job", job_id, verb)}"' in text) == (verb in buttons)
    assert ("/delete/" in text) == (state != "running")


def test_who_may_only_look_has_no_button(staff: Any, seed: Seed) -> None:
    text = show(staff("view_job"), seed.scheduled())
    assert "jobqueue-button" not in text
    assert "/delete/" not in text


def test_a_job_that_is_told_to_end_is_not_told_again(admin_client: Client, seed: Seed) -> None:
    job_id = seed.running()
    seed.engine.jobs.cancel(job_id)
    text = show(admin_client, job_id)
    assert "it is to end, somebody has cancelled it" in text
    assert f'action="{page_of("job", job_id, "cancel")}"' not in text


def test_without_the_permission_what_tasks_wrote_is_not_shown(
    staff: Any, seed: Seed, engine: Engine
) -> None:
    """Their texts may tell arguments: tracebacks, lines of the log, the text of the progress."""
    failed, running = seed.failed(traceback="ValueError: Zoë", exception="app.Bad"), seed.running()
    fence = engine.inspector.job(running).fence
    engine.jobs.progress(running, fence, 3, 8, "mail to Zoë")
    engine.jobs.log(running, fence, "Zoë is told")
    client = staff("view_job")
    for job_id, shown in ((failed, "app.Bad"), (running, "3 of 8")):
        text = show(client, job_id)
        assert "Zoë" not in text
        assert shown in text
        assert "you need the permission to see arguments and results" in text
    user = User.objects.get()
    user.user_permissions.add(Permission.objects.get(codename="view_payload"))
    assert "ValueError: Zoë" in show(client, failed)
    text = show(client, running)
    assert "3 of 8 mail to Zoë" in text
    assert "Zoë is told" in text


def test_the_first_attempt_is_counted_while_it_runs(admin_client: Client, seed: Seed) -> None:
    running, queued = seed.running(), seed.queued()
    assert re.search(r">\s*1/1\s*<", show(admin_client, running))
    assert re.search(r">\s*0/1\s*<", show(admin_client, queued))


def test_a_text_of_a_megabyte_is_cut_wherever_it_stands(
    admin_client: Client, seed: Seed, engine: Engine
) -> None:
    """No client stores such texts, but Redis holds them."""
    client: Any = engine.client.redis
    keys, text = engine.client.keys, "x" * 1_000_000
    job_id, plain = seed.running(), seed.queued()
    engine.leases.renew("worker-1", dict.fromkeys(("host", "queues", "version", "fault"), text))
    run = f"1 1-f {text} 1 2 {text} {text}\n{text}"
    client.rpush(keys("attempts", job_id), run)
    client.rpush(keys("log", job_id), f"1700000000000 {text}")
    client.set(keys("progress", job_id), f"1 2 {text}")
    fields = dict.fromkeys(("task", "reason", "worker"), text)
    before = client.hgetall(keys("job", job_id))
    client.hset(keys("job", job_id), mapping=fields | {"state": "failed"})
    client.hset(keys("job", plain), "queue", text)
    try:
        for url in (page_of("job", job_id), page_of("job", plain), JOBS, WORKERS):
            assert len(admin_client.get(url).content) < 100_000, url
        assert len(admin_client.get(page_of("worker", "worker-1")).content) < 100_000
    finally:
        client.delete(keys("job", job_id))
        client.hset(keys("job", job_id), mapping=before)
        client.hset(keys("job", plain), "queue", "default")
        client.delete(keys("attempts", job_id), keys("log", job_id), keys("progress", job_id))


def test_tags_and_expiry_are_shown(
    admin_client: Client, engine: Engine, make_job: Callable[..., str]
) -> None:
    """The expiry only until the job is started, and a hostile tag is only text."""
    job_id = make_job(tags=("tenant:7", "<b>x</b>"), expires="1900000000000")
    text = show(admin_client, job_id)
    assert '?tag=%3Cb%3Ex%3C%2Fb%3E">&lt;b&gt;x&lt;/b&gt;</a>' in text
    assert "2030-03-17" in text
    assert isinstance(engine.claims.claim(Slot("worker-1", "0.0"), ["default"]), Job)
    assert "2030-03-17" not in show(admin_client, job_id)
    plain = show(admin_client, make_job())
    assert "field-tags" not in plain
    assert "field-expires_at" not in plain


def test_expired_job_says_so(
    admin_client: Client, engine: Engine, make_job: Callable[..., str]
) -> None:
    job_id = make_job(expires="1")
    engine.claims.claim(Slot("worker-1", "0.0"), ["default"])
    assert "it was not started in time" in show(admin_client, job_id)


def test_it_says_why_the_job_is_not_running(
    admin_client: Client, engine: Engine, seed: Seed
) -> None:
    """Sentences of the live state, escaped, until the job is final."""
    job_id = seed.queued(queue="mail")
    engine.queues.pause("mail", by="<b>anna</b>")
    text = show(admin_client, job_id)
    assert "Why it is not running" in text
    assert "The queue mail was paused by &lt;b&gt;anna&lt;/b&gt; at " in text
    assert "No worker is alive: start manage.py jobworker." in text
    engine.jobs.cancel(job_id)
    assert "Why it is not running" not in show(admin_client, job_id)


def test_of_a_running_job_it_says_where(admin_client: Client, seed: Seed) -> None:
    text = show(admin_client, seed.running())
    assert "Where it runs" in text
    assert "Why it is not running" not in text


def test_its_workflow_is_shown(admin_client: Client, engine: Engine) -> None:
    """What is before it, after it, and all of it; with escaped tasks."""
    shape = [(0, 1)] * 12 + [(1, 2), (2, 0)]
    _, jobs = started(engine, shape, ("on_done",))
    engine.client.redis.hset(engine.client.keys("job", jobs[0].id), "task", "a.<b>")
    page = admin_client.get(page_of("job", jobs[12].id)).content.decode()
    part = page[page.index('id="jobqueue-workflow"') :]
    assert "Running: 0 of 14 jobs have ended, 0 without success." in part
    assert part.count(f'href="{page_of("job", jobs[13].id)}"') == 2
    assert page_of("job", jobs[12].id, "change") not in part
    assert "… and 2 more" in part
    assert "a.&lt;b&gt;" in part
    assert 'class="jobqueue-depth-1"' in part
    engine.client.redis.hset(engine.client.keys("job", jobs[0].id), "task", "a.m1")


def test_a_job_without_a_workflow_has_no_such_part(admin_client: Client, seed: Seed) -> None:
    assert (
        "jobqueue-workflow" not in admin_client.get(page_of("job", seed.queued())).content.decode()
    )
