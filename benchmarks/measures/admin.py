"""How long the admin's pages take with very many jobs, and what they ask of the server."""

import time
from statistics import median

from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from benchmarks.bench import Bench, LongestCall
from benchmarks.measures.site import TASKS, Site
from benchmarks.request import Values
from django_jobqueue.admin.jobs.admin import JobAdmin
from django_jobqueue.admin.pages import name_of
from django_jobqueue.engine import Engine

TIMES = 20  # requests of a page at most, after one that warms it up
PAGE = JobAdmin.list_per_page
DEEP = 80  # pages before the one that is asked for, if there are as many
FORBIDDEN = ("keys", "scan")  # commands that walk all keys of a server


def measure(bench: Bench) -> Values:
    """Ask for each page again and again."""
    call_command("migrate", verbosity=0)
    engine = bench.empty()
    site = Site.fill(engine, bench.request.site_jobs, bench.request.names)
    client = _client()
    engine.client.redis.config_resetstat()
    with LongestCall(engine, at_least_usec=100) as longest:
        times = min(TIMES, bench.request.samples)
        values = {key: _median_ms(client, url, times) for key, url in pages(site).items()}
    return values | {"admin_longest": longest.ms, "admin_walks": _walks(engine)}


def pages(site: Site) -> dict[str, str]:
    """Return the addresses of the pages, by the keys of their figures."""
    jobs, queue, task = _list("job"), site.queue, TASKS[0].module_path
    addresses: dict[str, tuple[str, dict[str, str | int]]] = {
        "overview": (reverse("admin:app_list", args=["django_jobqueue"]), {}),
        "jobs": (jobs, {}),
        "deep": (jobs, {"p": _deep(site.jobs)}),
        "state_queue": (jobs, {"state": "queued", "queue": queue, "p": _deep(site.queued)}),
        "failed_task": (jobs, {"state": "failed", "task": task}),
        "failed_task_queue": (jobs, {"state": "failed", "task": task, "queue": queue}),
        "search": (jobs, {"q": "two"}),
        "search_nothing": (jobs, {"q": "nobody-has-this"}),
        "failures": (reverse(f"admin:{name_of('failures')}"), {}),
        "tasks": (reverse(f"admin:{name_of('tasks')}"), {}),
        "queues": (_list("queue"), {}),
        "workers": (_list("worker"), {}),
        "job": (reverse("admin:django_jobqueue_job_change", args=[site.failed]), {}),
    }
    return {f"admin_{key}": f"{path}?{_query(given)}" for key, (path, given) in addresses.items()}


def _deep(jobs: int) -> int:
    return 1 + min(DEEP, (jobs - 1) // PAGE)


def _list(model: str) -> str:
    return reverse(f"admin:django_jobqueue_{model}_changelist")


def _query(given: dict[str, str | int]) -> str:
    return "&".join(f"{name}={value}" for name, value in given.items())


def _client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    return client


def _median_ms(client: Client, address: str, requests: int) -> float:
    times = []
    for _ in range(1 + requests):
        began = time.perf_counter()
        answer = client.get(address)
        times.append(time.perf_counter() - began)
        if answer.status_code != 200:
            raise RuntimeError(f"{address} answers {answer.status_code}: {answer.headers}")
    return 1000 * median(times[1:])


def _walks(engine: Engine) -> int:
    found = engine.client.redis.info("commandstats")
    return sum(found.get(f"cmdstat_{name}", {}).get("calls", 0) for name in FORBIDDEN)
