"""Take the pictures of the admin's main pages that the documentation shows.

python -m scripts.screenshots               # into docs/pictures
python -m scripts.screenshots --look DIR    # into another folder, and as a telephone shows them too

It starts the demo's server, fills it with the demo's own jobs, lets a worker run them, and takes
the pictures by Chromium while one of them runs.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "testproject"
PICTURES = ROOT / "docs" / "pictures"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SIZE: Any = {"width": 1280, "height": 900}
TELEPHONE: Any = {"width": 400, "height": 860}
LARGEST = 170_000  # bytes of a picture
PARTS = {"job": ("workflow", ".jobqueue-workflow"), "worker": ("slots", ".jobqueue-history")}
PATIENCE = 300.0  # seconds; a busy machine is slow
HOST = socket.gethostname()
# Says instead what no reader needs to know: where the pictures were taken.
HIDE = r"""names => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    for (const [name, other] of names) {
      const whole = new RegExp("(^|[^\\w])" + name + "(?![\\w])", "g");
      node.data = node.data.replace(whole, "$1" + other);
    }
  }
}"""
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "DEMO_SECONDS_PER_QUESTION": "0.02",
    "DEMO_SECONDS_PER_PAGE": "8",  # of the jobs that still run in the pictures
    "DEMO_WATCH_SECONDS": "5",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--look", type=Path, help="folder for all pictures, also narrow ones")
    folder = parser.parse_args().look
    with tempfile.TemporaryDirectory() as data, ExitStack() as stack:
        os.environ |= SETTINGS | {"DEMO_DATA": data}
        sys.path.insert(0, str(PROJECT))
        stack.enter_context(_server(Path(data)))
        django.setup()
        call_command("migrate", verbosity=0)
        fill()
        stack.enter_context(_running("jobworker", "--processes", "2", "--scheduler"))
        _until(_is_calm)
        steer()
        port = _free_port()
        stack.enter_context(_running("runserver", "--noreload", f"127.0.0.1:{port}"))
        _until(lambda: _answers(port))
        shoot(f"http://127.0.0.1:{port}", folder or PICTURES, narrow=folder is not None)


@contextmanager
def _server(data: Path) -> Iterator[None]:
    from embedded.server import EmbeddedServer  # noqa: PLC0415 - now it can be found

    server = EmbeddedServer(data / "redis")
    server.start()
    try:
        yield
    finally:
        server.stop()


@contextmanager
def _running(*command: str) -> Iterator[None]:
    """Run a command of the demo until the end."""
    words = [sys.executable, str(PROJECT / "manage.py"), *command]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def fill() -> None:
    """Enqueue what the demo's people might ask for."""
    from demo.seeds import plant  # noqa: PLC0415
    from homework.models import Assignment  # noqa: PLC0415
    from homework.tasks import grade_homework  # noqa: PLC0415
    from pages.tasks import is_page_ok  # noqa: PLC0415
    from reports.tasks import export_assignments  # noqa: PLC0415

    plant()
    sheets = sorted((PROJECT / "homework/static/homework/samples").iterdir())
    for assignment in Assignment.objects.all():
        for number in range(24):
            sheet = sheets[number % len(sheets)].read_text()
            tagged = grade_homework.using(queue_name="homework", tags=[f"course:{assignment.slug}"])
            tagged.enqueue(assignment.pk, sheet)
    for url in ("ftp://example.org/", "mailto:ada@example.org", "example.org") * 4:
        is_page_ok.using(queue_name="pages").enqueue(url)
    for number in range(40):
        is_page_ok.using(queue_name="pages").enqueue(f"http://127.0.0.1:9/{number}")
    for days in range(1, 9):
        export_assignments.using(run_after=timedelta(days=days)).enqueue()


def _is_calm() -> bool:
    """Return whether all that is due was run."""
    from django_jobqueue.engine import get_engine  # noqa: PLC0415
    from django_jobqueue.jobs.states import State  # noqa: PLC0415

    inspector = get_engine("default").inspector
    return not (inspector.count(State.QUEUED) + inspector.count(State.RUNNING))


def steer() -> None:
    """Do what somebody does who looks after it: pause a queue, and build a workflow."""
    from django_jobqueue import group  # noqa: PLC0415
    from django_jobqueue.engine import get_engine  # noqa: PLC0415
    from django_jobqueue.jobs.states import State  # noqa: PLC0415
    from homework.models import Assignment  # noqa: PLC0415
    from homework.tasks import grade_homework  # noqa: PLC0415
    from library.tasks import scan_chapter  # noqa: PLC0415
    from pages.tasks import is_page_ok  # noqa: PLC0415

    engine = get_engine("default")
    engine.queues.pause("homework", by="ada")
    for chapter in range(1, 30):
        scan_chapter.using(queue_name="scans", priority=-5).enqueue("Emma", chapter)
    (assignment, *_), sheet = Assignment.objects.all(), "1: B\n2: 1024"
    graded = [grade_homework.using(queue_name="homework").s(assignment.pk, sheet) for _ in "abcd"]
    group(graded).then(is_page_ok.si("http://127.0.0.1:9/")).enqueue()
    _until(lambda: engine.inspector.count(State.RUNNING) == 2)


def ask_for_stacks() -> None:
    """Let the worker tell where its slots stand, which is kept for a minute."""
    from django_jobqueue.engine import get_engine  # noqa: PLC0415
    from django_jobqueue.engine.remote_control import Word  # noqa: PLC0415

    engine = get_engine("default")
    (worker,) = engine.inspector.workers()
    engine.remote_control.tell(worker.id, Word.STACKS)
    _until(lambda: engine.remote_control.stacks(worker.id))


def pages() -> dict[str, str]:
    """Return the addresses of the pages by the names of their pictures."""
    from django_jobqueue.engine import get_engine  # noqa: PLC0415
    from django_jobqueue.jobs.states import State  # noqa: PLC0415

    inspector = get_engine("default").inspector
    (worker,) = inspector.workers()
    member = inspector.page(State.WAITING, 0, 1)[0]
    start = "/admin/django_jobqueue"
    return {
        "overview": f"{start}/",
        "jobs": f"{start}/job/",
        "job": f"{start}/job/{member.id}/change/",
        "failures": f"{start}/job/failures/",
        "tasks": f"{start}/job/tasks/",
        "queues": f"{start}/queue/",
        "worker": f"{start}/worker/{worker.id.replace(':', '_3A')}/change/",
        "workers": f"{start}/worker/",
        "schedules": f"{start}/schedule/",
    }


def shoot(url: str, folder: Path, *, narrow: bool) -> None:
    """Take all pictures.

    Raises: SystemExit if one is too large for the documentation.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only who takes pictures has it

    folder.mkdir(parents=True, exist_ok=True)
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            for size in [SIZE, TELEPHONE] if narrow else [SIZE]:
                page = chromium.new_context(
                    base_url=url, color_scheme=scheme, viewport=size, reduced_motion="reduce"
                ).new_page()
                _log_in(page)
                for name, address in pages().items():
                    if name == "worker":
                        ask_for_stacks()
                    page.goto(address)
                    page.evaluate(HIDE, [[str(ROOT), "/srv/school"], [HOST, "web-1"]])
                    suffix = "" if size is SIZE else "-narrow"
                    page.screenshot(path=folder / f"{name}-{scheme}{suffix}.png", full_page=narrow)
                    if name in PARTS and not suffix:
                        part, place = PARTS[name]
                        page.locator(place).screenshot(path=folder / f"{part}-{scheme}.png")
        chromium.close()
    large = [one.name for one in folder.glob("*.png") if one.stat().st_size > LARGEST]
    if large and not narrow:
        raise SystemExit(f"More than {LARGEST} bytes: {', '.join(large)}")


def _log_in(page: Any) -> None:
    page.goto("/admin/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", "admin")
    page.click("input[type=submit]")
    page.locator("#content").wait_for()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


def _until(condition: Callable[[], object]) -> None:
    """Wait for something. Raises: SystemExit if it takes too long."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"{condition} took more than {PATIENCE:g} s.")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
