"""Which reply parser a process uses: redis-py takes hiredis if it can import it.

So hiredis is hidden where it shall not be used. The variable reaches the workers too.
"""

import os
import sys
from importlib.util import find_spec
from typing import Any

VARIABLE = "BENCHMARK_PARSER"
HIREDIS, PYTHON = "hiredis", "python"
LABELS = {HIREDIS: "with hiredis", PYTHON: "without hiredis"}


def available() -> list[str]:
    return [HIREDIS, PYTHON] if find_spec("hiredis") else [PYTHON]


def apply() -> None:
    """Hide hiredis from this process, if its environment says so."""
    if os.environ.get(VARIABLE) == PYTHON:
        modules: dict[str, Any] = dict.fromkeys(["hiredis"])
        sys.modules.update(modules)  # None: its import fails


def require_chosen(connection: Any) -> None:
    """Raise if a connection does not read its replies by the parser that was asked for."""
    used = HIREDIS if "Hiredis" in type(connection._parser).__name__ else PYTHON
    if used != os.environ.get(VARIABLE, used):
        raise RuntimeError(f"The replies are read by {used}, not by {os.environ[VARIABLE]}.")
