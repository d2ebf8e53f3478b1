"""On Windows the package can be imported, and its commands say what to use there."""

import os
import subprocess
import sys

import pytest

from tests.support.docs import ROOT

# What Python has there: the rest is taken away before anything of the package is imported.
SCRIPT = """
import asyncio, multiprocessing.connection, multiprocessing.context, os, signal, subprocess, sys
import django

KEPT = {"SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIG_DFL", "SIG_IGN"}
for name in dir(signal):
    is_signal = name.startswith("SIG") and name not in KEPT
    if is_signal or name in {"alarm", "pthread_sigmask", "pthread_kill", "siginterrupt"}:
        delattr(signal, name)
for name in ("fork", "killpg", "register_at_fork", "setpgid", "sysconf", "waitid"):
    delattr(os, name)
django.setup()
from django.core.management import load_command_class

command = load_command_class("django_jobqueue", sys.argv[1])
sys.platform = "win32"
command.run_from_argv(["manage.py", sys.argv[1]])
"""


@pytest.mark.parametrize("command", ["jobworker", "jobscheduler"])
def test_command_says_what_to_use_instead(command: str) -> None:
    """No missing name keeps the message from being shown."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.project.settings",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "testproject")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, command],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 1
    assert f"CommandError: {command} needs" in done.stderr
    assert "on Windows run it in WSL or a container" in done.stderr
