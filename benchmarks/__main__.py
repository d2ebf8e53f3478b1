"""The command: settings first, for the tasks need them."""

import os
import sys
from importlib import import_module
from pathlib import Path

import django

from benchmarks.options import parse

TESTPROJECT = Path(__file__).resolve().parent.parent / "testproject"


def main() -> None:
    """Run what the command line asks for."""
    options = parse()
    sys.path.append(str(TESTPROJECT))  # its embedded server is the one that is measured
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    django.setup()
    import_module("benchmarks.run").run(options)


if __name__ == "__main__":
    main()
