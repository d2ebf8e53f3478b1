"""Where a storm takes place: a server, the road to it through a proxy, workers."""

import os
import random
import subprocess
import time
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any

from django.conf import settings
from redis.exceptions import ResponseError

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine, close_engines
from django_jobqueue.engine.client import Client
from django_jobqueue.engine.scripts import Scripts, standard
from embedded.server import find_server
from tests.chaos.options import Options
from tests.chaos.spent import Spent
from tests.chaos.tasks import ORACLE
from tests.chaos.workers import Kill, Worker
from tests.support import acl
from tests.support.breaker import breaker
from tests.support.proxy import FaultProxy
from tests.support.servers import HOST, TcpServer

SCRIPTS = standard().all
LONGEST = 30  # commands of a long script: with that many it surely fails while it is to
STOP_WITHIN = 45.0  # seconds that a stop may take beyond the shutdown timeout: Redis may be slow


class Scene:
    """One server with proxy and workers; leaving it ends them all."""

    def __init__(self, options: Options, folder: Path, rng: random.Random) -> None:
        binary = find_server(options.server)
        config = {"appendfsync": options.fsync, "slowlog_log_slower_than": "1000"}
        config |= {"slowlog_max_len": "1000", "user": acl.directive()} | debug_config(binary)
        self.server = TcpServer(folder / "server", binary=binary, **config)
        self.proxy = FaultProxy((HOST, self.server.port))
        self.oracle = folder / "oracle"
        self.workers: list[Worker] = []
        self.complaints: list[str] = []  # of workers that ended by themselves, or not as asked
        self.spent = Spent()
        self.stop_within = options.lease + STOP_WITHIN
        self._options = options
        self._folder = folder
        self._rng = rng

    def __enter__(self) -> "Scene":
        self.oracle.touch()
        self.server.start()
        self.proxy.start()
        lease, url = self._options.lease, self.proxy.url.replace("//", f"//{acl.LOGIN}")
        os.environ["CHAOS_REDIS_URL"] = url
        os.environ["CHAOS_LEASE"] = str(lease)
        os.environ[ORACLE] = str(self.oracle)
        tasks: dict[str, Any] = dict(settings.TASKS)
        tasks["default"]["OPTIONS"] |= {"URL": url, "LEASE": lease}
        close_engines()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self.workers:
            worker.kill()
        close_engines()
        self.proxy.close()
        self.server.close()

    def start_worker(self) -> Worker:
        """Start a worker of few processes with threads, or of many: there a run can be killed."""
        options = self._options
        threads = self._rng.choice((options.threads, options.threads, 1))
        processes = options.processes if threads > 1 else options.processes_alone
        arguments = ["--processes", str(processes), "--threads", str(threads)]
        arguments += ["--shutdown-timeout", str(options.lease), "--verbosity", "0"]
        worker = Worker(self._folder / f"worker-{len(self.workers)}.log", arguments, {})
        self.workers.append(worker)
        return worker

    def victim(self, dice: float) -> Worker | None:
        """Return the free worker that the dice choose."""
        free = [worker for worker in self.workers if worker.free]
        return free[int(dice * len(free))] if free else None

    def watch(self) -> None:
        """Note workers that ended though nobody asked them, or did not stop when asked.

        One that started while its user lacked a right has refused to: then another one starts.
        """
        for worker in list(self.workers):
            if worker.is_over:
                continue
            if not worker.running:
                worker.is_over = True
                if worker.lacked_rights:
                    if worker.stop_by is None:
                        self.start_worker()
                elif worker.stop_by is None or worker.process.returncode not in worker.stop_codes:
                    self._complain(worker, f"ended with code {worker.process.returncode}")
            elif worker.stop_by is not None and time.monotonic() > worker.stop_by:
                worker.kill()
                self._complain(worker, "did not stop in time")

    def stop_workers(self) -> None:
        """Stop all workers in order."""
        for worker in self.workers:
            if worker.free:
                worker.ask_to_stop(self.stop_within)
        while not all(worker.is_over for worker in self.workers):
            self.watch()
            time.sleep(0.02)

    def kills(self) -> list[Kill]:
        """Return the processes that supervisors killed for their runs."""
        return [kill for worker in self.workers for kill in worker.kills()]

    def forbid(self, command: str) -> None:
        """Take a command away from the user as whom workers and callers are logged in."""
        self.server.client.execute_command("ACL", "SETUSER", acl.USER, f"-{command}")

    def allow(self, command: str) -> None:
        self.server.client.execute_command("ACL", "SETUSER", acl.USER, f"+{command}")

    def break_scripts(self) -> None:
        """Let any command of each call of a script fail, until the proxy passes on."""
        broken = broken_scripts().all
        for script in broken.values():
            self.server.client.script_load(script.source)
        shas = {script.sha.encode(): broken[name].sha.encode() for name, script in SCRIPTS.items()}
        self.proxy.replace(shas)

    def kill_server(self) -> None:
        self.spent.add(self.server)
        self.server.kill()

    def _complain(self, worker: Worker, what: str) -> None:
        self.complaints.append(f"{worker.log.name} (pid {worker.pid}) {what}\n{worker.output()}")


@cache
def broken_scripts() -> Scripts:
    """Return scripts of which a command may fail: which one, the microsecond decides."""
    clock = (files("django_jobqueue.engine") / "lua" / "shared" / "now.lua").read_text()
    number = f"1 + real.call('TIME')[2] % {LONGEST}"
    return Scripts(clock=f"{breaker(number).strip()}\n\n{clock.strip()}")


def direct_engine(url: str) -> Engine:
    """Return an engine that goes to a server past every proxy."""
    return Engine(Client("default", replace(load("default"), url=url)))


def can_sleep(server: TcpServer) -> bool:
    """Tell whether a server obeys DEBUG SLEEP."""
    try:
        server.client.execute_command("DEBUG", "SLEEP", "0")
    except ResponseError:
        return False
    return True


def debug_config(binary: Path) -> dict[str, str]:
    """Return the option without which a server refuses DEBUG; before Redis 7 there is none."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(said.partition("v=")[2].partition(".")[0])
    return {"enable_debug_command": "local"} if major >= 7 else {}
