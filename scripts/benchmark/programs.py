"""What it takes to start the program for each of its commands, on a young ledger and on an old one."""

import os
import random
import sys

from . import ways
from .rows import Failure, Row
from .scratch import POLICY, POLICY_WITH_PRODUCTION, Scratch
from .source import Source
from .watch import timed

COMMANDS = ["status", "runs", "runs --pushes", "revisions", "show 1", "log 1", "plan", "artifacts", "apps",
            "env list staging", "validate", "verify", "fsck", "doctor"]
BESIDE = "starting the program"


def cold_start(bench):
    with Scratch(bench.shipit) as scratch:
        home, app, source = small_app(scratch, POLICY_WITH_PRODUCTION)
        for _ in range(3):
            app.push(source, source.change(1))
        times = starts(scratch, home, COMMANDS, bench.rounds(15, 5))
    started = times.pop("--version")
    yield Row("shipit --version", started)
    for command, took in times.items():
        yield Row(f"shipit {command}", took, BESIDE, started, of="difference")


def aged_ledger(bench):
    deployments, events = bench.rounds(1_000_000, 50_000), bench.rounds(5_000_000, 250_000)
    script = f"{os.path.dirname(os.path.abspath(sys.argv[0]))}/age-ledger"
    with Scratch(bench.shipit) as scratch:
        home, app, source = small_app(scratch)
        young = ways.Rounds({"push": app}).take(source, 1, bench.rounds(10, 3))
        scratch.rest()
        home.stop()
        if not os.path.exists(script):
            raise Failure(f"there is no {script}")
        scratch.run(sys.executable, script, f"{home.path}/ledger.sqlite", "--app", "app",
                    "--deployments", str(deployments), "--events", str(events))
        home.serve()
        app.push(source, source.change(1))
        times = starts(scratch, home, ["status", "revisions", "runs"], bench.rounds(15, 5))
        old = ways.Rounds({"push": app}).take(source, 1, bench.rounds(10, 3))
        size = os.path.getsize(f"{home.path}/ledger.sqlite") / (1 << 20)
    started = times.pop("--version")
    for command, took in times.items():
        yield Row(f"shipit {command}", took, BESIDE, started, bar=40, of="difference")
    yield Row("staging live, 52 files, one changed", old.live["push"], "on the young ledger", young.live["push"])
    yield Row("the ledger's size", [size], unit="mib")


def small_app(scratch, policy=POLICY):
    source, home = Source(scratch, 52), scratch.home("served")
    app = ways.by_shipit(home, "app", policy)
    app.push(source, source.paths)
    return home, app, source


def starts(scratch, home, commands, rounds):
    """The times of each command, by turns; its own verdict does not matter here, but it has to run."""
    times = {command: [] for command in ["--version", *commands]}
    after = {"--version": [], "doctor": [], "validate": [f"{home.path}/apps/app/pipeline.yml"]}
    scratch.rest()
    for number in range(rounds + 1):
        for command in random.sample(list(times), len(times)):
            words = [scratch.shipit, *command.split(), *after.get(command, ["--app", "app"])]
            took = timed(words, home.environment, accept=(0, 1))[0]
            if number > 0:
                times[command].append(took)
    return times
