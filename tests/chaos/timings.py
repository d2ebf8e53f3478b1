"""How soon work goes on after each fault, with the default lease: `--timings`."""

import random
import shutil
import sys
import tempfile
import threading
import traceback
from pathlib import Path

from embedded.server import ServerNotFound, find_server
from tests.chaos import report
from tests.chaos.options import Options
from tests.chaos.promises import PROMISES, Measured, Promise
from tests.chaos.site import Site

PATIENCE = 0.2  # seconds between two looks


class Trial(threading.Thread):
    """One promise put to the test; the thread owns all that it starts, so that ends with it."""

    def __init__(self, promise: Promise, folder: Path, binary: Path, seed: int) -> None:
        super().__init__(name=promise.try_it.__name__, daemon=True)
        self.promise = promise
        self.measured = Measured([], [])
        self.server = ""
        self._site = Site(folder / self.name, binary)
        self._rng = random.Random(seed)

    def run(self) -> None:
        try:
            with self._site as site:
                self.server = report.name_of(site.server)
                self.measured = self.promise.try_it(site, self._rng)
        except Exception:
            self.measured = Measured([], [traceback.format_exc()])
        report.tell(f"{self.name}: {self.verdict}")

    def call_off(self) -> None:
        """End what the trial started; then the thread fails and ends too."""
        self._site.close()

    @property
    def is_kept(self) -> bool:
        seconds = self.measured.seconds
        return bool(seconds) and max(seconds) <= self.promise.within and not self.measured.faults

    @property
    def verdict(self) -> str:
        return "kept" if self.is_kept else "**BROKEN**"


def run(options: Options) -> int:
    """Try all promises side by side; return the exit code."""
    report.tell(f"Seed {options.seed}")
    try:
        binary = find_server(options.server)
    except ServerNotFound as error:
        sys.exit(str(error))
    folder = Path(tempfile.mkdtemp(prefix="djq-chaos-"))
    trials = [Trial(promise, folder, binary, options.seed) for promise in PROMISES]
    try:
        for trial in trials:
            trial.start()
        for trial in trials:
            while trial.is_alive():
                trial.join(PATIENCE)
    except KeyboardInterrupt:
        for trial in trials:
            trial.call_off()
        shutil.rmtree(folder, ignore_errors=True)
        report.tell("Called off; everything that was started is stopped.")
        return 130
    lines = _lines(trials, options)
    report.say(lines)
    report.say(f"BROKEN: {fault}" for trial in trials for fault in trial.measured.faults)
    if options.report:
        Path(options.report).write_text("\n".join(lines), encoding="utf-8")
    kept = all(trial.is_kept for trial in trials)
    if kept:
        shutil.rmtree(folder)
    else:
        report.tell(f"Data and logs are in {folder}")
    return int(not kept)


def _lines(trials: list[Trial], options: Options) -> list[str]:
    rows = []
    for trial in trials:
        seconds = sorted(trial.measured.seconds)
        found = ", ".join(f"{value:.2f}" for value in seconds) or "-"
        promise = trial.promise
        rows.append(f"| {promise.says} | ≤ {promise.within:g} s | {found} s | {trial.verdict} |")
    return [
        f"### {trials[0].server}, default lease, seed {options.seed}",
        "",
        f"* {report.versions()}",
        "",
        "| after | promised | measured | |",
        "| --- | ---: | ---: | --- |",
        *rows,
        "",
    ]
