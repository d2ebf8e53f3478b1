"""The pages stand under a theme too. It changes the site of its process, so it gets its own."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.support.processes import PATIENCE, ROOT

UNFOLD = ("-p", "no:randomly", "--ds=tests.project.unfold_settings")


@pytest.mark.skipif(find_spec("unfold") is None, reason="django-unfold is not installed")
def test_all_pages_stand_under_unfold() -> None:
    own = ("PYTEST_", "TEST_REDIS_")  # of this process
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *UNFOLD, "tests/admin/themed.py"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith(own)},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )
    assert done.returncode == 0, done.stdout
