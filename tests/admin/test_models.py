"""The models without tables do not disturb Django's own commands."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command

from django_jobqueue.engine import Engine
from django_jobqueue.models import Job, Queue, Worker
from tests.admin.conftest import Seed

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("options", [{}, {"use_base_manager": True}])
def test_dumpdata_passes_by(db: None, seed: Seed, options: dict[str, bool]) -> None:
    seed.queued()
    out = StringIO()
    call_command("dumpdata", "django_jobqueue", stdout=out, **options)
    assert out.getvalue().strip() == "[]"


@pytest.mark.parametrize("model", [Job, Queue, Worker])
def test_sql_is_never_asked(engine: Engine, model: type[Job]) -> None:
    # Without the db fixture any query would fail.
    assert list(model._default_manager.all()) == []
    assert model._base_manager.filter(pk="x").count() == 0


def test_the_migration_is_complete(db: None) -> None:
    call_command("makemigrations", "django_jobqueue", check=True, dry_run=True, verbosity=0)


def test_the_permissions_are_those_that_mean_something(db: None) -> None:
    found = Permission.objects.filter(content_type__app_label="django_jobqueue")
    models = ("job", "queue", "worker")
    assert set(found.filter(content_type__model__in=models).values_list("codename", flat=True)) == {
        "view_job",
        "delete_job",
        "requeue_job",
        "cancel_job",
        "run_job",
        "edit_job",
        "view_payload",
        "view_sensitive",
        "view_queue",
        "pause_queue",
        "empty_queue",
        "view_worker",
        "manage_workers",
    }


def test_the_app_works_without_the_admin() -> None:
    code = """
import sys, django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django_jobqueue"],
    SECRET_KEY="x",
    TASKS={"default": {"BACKEND": "django_jobqueue.backend.JobQueueBackend",
                       "OPTIONS": {"URL": "unix:///no/such/socket"}}},
)
django.setup()
from django.core.management import call_command
call_command("check")
assert "django_jobqueue.admin" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
