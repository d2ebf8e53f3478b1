"""The command. It starts servers and processes that measure, and is no Django project itself."""

import sys
from importlib import import_module
from pathlib import Path

from benchmarks.options import parse

TESTPROJECT = Path(__file__).resolve().parent.parent / "testproject"


def main() -> None:
    """Run what the command line asks for."""
    options = parse()
    sys.path.append(str(TESTPROJECT))  # its embedded server is the one that is measured
    import_module("benchmarks.run").run(options)


if __name__ == "__main__":
    main()
