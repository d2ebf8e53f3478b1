"""One storm from its plan to its verdict."""

import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from embedded.server import ServerNotFound
from tests.chaos import faults, flows, jobs, pace, report
from tests.chaos.aftermath import Rest, inconsistencies, strays, trim_all
from tests.chaos.canceller import Canceller
from tests.chaos.evidence import BREAKS, Evidence, gather
from tests.chaos.figures import figures
from tests.chaos.load import Feeder
from tests.chaos.options import Options
from tests.chaos.oracle import Oracle
from tests.chaos.scene import Scene, can_sleep, direct_engine
from tests.chaos.storm import Storm
from tests.chaos.verdict import judge

HEALED = 30.0  # seconds after which maintenance has removed what broken scripts left of keys


def run(options: Options) -> int:
    """Let it rage, judge and report; return the exit code."""
    report.tell(f"Seed {options.seed}")
    folder = _folder(options)
    code = 1
    try:
        code = _run(options, folder)
    except ServerNotFound as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        report.tell("Called off; everything that was started is stopped.")
        code = 130
    finally:
        if code == 1 or options.folder is not None:
            report.tell(f"Data and logs are in {folder}")
        else:
            shutil.rmtree(folder)
    return code


def _folder(options: Options) -> Path:
    if options.folder is None:
        return Path(tempfile.mkdtemp(prefix="djq-chaos-"))
    folder = Path(options.folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.exit(f"{folder} is not empty.")
    return folder


def _run(options: Options, folder: Path) -> int:
    rng = random.Random(options.seed)
    calls = flows.plan(options, rng)
    with Scene(options, folder, random.Random(rng.random())) as scene:
        engine = direct_engine(scene.server.url)
        kinds = [name for name in faults.KINDS if name != "sleep" or can_sleep(scene.server)]
        blows = faults.plan(options, random.Random(rng.random()), kinds)
        feeder = Feeder(calls, random.Random(rng.random()), options.seconds)
        canceller = Canceller(feeder.receipts, scene.oracle)
        storm = Storm(scene, feeder, engine, report.tell)
        began = time.monotonic()
        try:
            canceller.start()
            drained = _rage(options, scene, feeder, storm, blows)
        finally:
            feeder.stopped.set()
            canceller.end()
        seconds = time.monotonic() - began
        storm.wait(lambda: not strays(engine), HEALED)
        left, paced = strays(engine), pace.run(engine, storm, options)
        storm.end()
        scene.spent.add(scene.server)
        broken = any(event.kind in BREAKS for event in storm.events)
        evidence = gather(
            engine,
            feeder.receipts,
            jobs.by_number([*calls, paced]),
            storm.events,
            Oracle(scene.oracle),
            inconsistent=inconsistencies(engine, broken=broken),
            strays=left,
            complaints=scene.complaints,
            kills=scene.kills(),
            lease=options.lease,
            drained=drained,
        )
        rest = trim_all(engine, broken=broken)
        evidence.inconsistent.extend(rest.faults)
        return _report(options, scene, evidence, rest, seconds)


def _rage(
    options: Options, scene: Scene, feeder: Feeder, storm: Storm, blows: list[faults.Fault]
) -> bool:
    """Store a part of the load, then let the faults come; tell whether all became final."""
    feeder.start()
    feeder.done_ahead.wait()
    workers = [scene.start_worker() for _ in range(options.workers)]
    for worker in workers:
        worker.until_ready(options.processes)
    report.tell(f"{len(feeder.receipts.jobs):,} jobs stored; {len(blows)} faults begin")
    storm.rage(blows)
    report.tell(f"The faults are over; {storm.open_jobs():,} jobs are not final")
    return storm.drain(options.drain)


def _report(options: Options, scene: Scene, evidence: Evidence, rest: Rest, seconds: float) -> int:
    violations = judge(evidence)
    found = figures(evidence, scene.spent, scene.proxy.counts, seconds)
    found["remains of refused enqueues"] = f"{rest.remains:,} keys"
    server = report.name_of(scene.server)
    lines = [
        f"### {server}, seed {options.seed}",
        "",
        *report.about(options),
        *report.table(violations, found),
        report.row(server, options, violations, evidence),
        "",
    ]
    report.say([*lines, *report.details(evidence, violations)])
    if options.report:
        Path(options.report).write_text("\n".join(lines), encoding="utf-8")
    return int(any(violations.values()))
