"""The command: settings first, for the tasks need them."""

import os
import signal
import sys
from importlib import import_module
from pathlib import Path

import django

from tests.chaos.options import parse

TESTPROJECT = Path(__file__).resolve().parents[2] / "testproject"


def main() -> None:
    """Run what the command line asks for."""
    options = parse()
    for stop_signal in (signal.SIGINT, signal.SIGTERM):  # a job in a shell's background gets none
        signal.signal(stop_signal, signal.default_int_handler)
    sys.path.append(str(TESTPROJECT))  # its embedded server is the one that suffers
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.chaos.settings"
    django.setup()
    module = "tests.chaos.timings" if options.timings else "tests.chaos.run"
    if options.counting:
        module = "tests.chaos.counting"
    sys.exit(import_module(module).run(options))


if __name__ == "__main__":
    main()
