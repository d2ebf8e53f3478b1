"""Run a command that does not outlive the process that started it.

The Linux kernel can send a signal to a process whose parent has ended (`PR_SET_PDEATHSIG`), even
if the parent was killed. Only the child itself can request this, so the child starts in this
module and then becomes the command by `exec`, with the same pid. (Doing this in
`Popen(preexec_fn=…)` is not safe in a process with threads.) "Parent" means the *thread* that
started the child: start it from a thread that lives as long as the child should.

Other systems have no such signal: there the command runs unchanged, and only its owner stops it.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str], on_owner_death: signal.Signals) -> list[str]:
    """Return a command that runs `command`, which gets the signal when the caller ends."""
    if not sys.platform.startswith("linux"):
        return list(command)
    head = [sys.executable, "-I", "-S", os.path.abspath(__file__)]
    return [*head, str(os.getpid()), str(int(on_owner_death)), *command]


def main(owner: int, signum: int, command: Sequence[str]) -> None:
    """Tie this process to its owner and become the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != owner:  # The owner ended before the request.
        sys.exit(1)
    os.execvp(command[0], list(command))  # noqa: S606


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
