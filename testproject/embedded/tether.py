"""Run a command that does not outlive the process that started it.

The kernel of Linux sends a signal to a process whose parent ended (`PR_SET_PDEATHSIG`), even
when the parent was killed. It can only be asked for by the child itself, so the child starts
here and then becomes the command by `exec`: same pid, nothing in between. (Doing this in
`Popen(preexec_fn=…)` is not safe in a process with threads.) "Parent" means the *thread* that
started the child: start it from a thread that lives as long as the child should.

Elsewhere there is no such signal: the command runs as it is, and only an orderly stop ends it.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str], on_owner_death: signal.Signals) -> list[str]:
    """Return the command that runs command and gets the signal when the caller has ended."""
    if not sys.platform.startswith("linux"):
        return list(command)
    head = [sys.executable, "-I", "-S", os.path.abspath(__file__)]
    return [*head, str(os.getpid()), str(int(on_owner_death)), *command]


def main(owner: int, signum: int, command: Sequence[str]) -> None:
    """Tie this process to its owner and become the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != owner:  # It ended before it could be asked for.
        sys.exit(1)
    os.execvp(command[0], list(command))  # noqa: S606


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
