"""Promotions, rollbacks, a push beside a busy disk, what readers see meanwhile, and what is left on the disk."""

import multiprocessing
import os
import time

from . import ways
from .rows import Failure, Row
from .scratch import POLICY_WITH_PRODUCTION, Scratch
from .source import Source
from .watch import Sign, descendants, disk, timed

BUILDSPEC = """\
version: 0.2
phases:
  build:
    commands:
      - while true; do dd if=/dev/zero of=big bs=1M count=1024; done
"""


def promote(bench):
    """Brings what was just pushed from staging to production."""
    with Scratch(bench.shipit) as scratch:
        source = Source(scratch, 2002)
        homes = {"serving": scratch.home("served"), "alone": scratch.home("alone", served=False)}
        apps = {name: ways.by_shipit(home, name, POLICY_WITH_PRODUCTION) for name, home in homes.items()}
        archive = ways.archive(scratch, "archive")
        times = {"serving": [], "alone": [], "archive": []}
        for number in range(bench.rounds(5, 1) + 2):
            changed = source.change(1) if number else source.paths
            for name, app in apps.items():
                app.push(source, changed)
                took = promoted(scratch, homes[name], name, app, source, changed)
                if number > 1:
                    times[name].append(took)
            took = archive.push(source, changed)
            archive.prune()
            if number > 1:
                times["archive"].append(took)
    beside = [live for _, live in times["archive"]]
    yield Row("production live", [live for _, live in times["serving"]], "archive hook, push to live", beside,
              bar=0.25)
    yield Row("  shipit promote returns", [ended for ended, _ in times["serving"]], "archive hook, push to live",
              beside)
    yield Row("  nobody serving, production live", [live for _, live in times["alone"]],
              "archive hook, push to live", beside)


def promoted(scratch, home, name, app, source, changed):
    scratch.rest()
    target = app.target.replace("/staging", "/production")
    sign = Sign(target, "current")
    took = timed([scratch.shipit, "promote", "--app", name], home.environment, sign)
    sign.close()
    ways.Way(scratch, app.repository, target).compare(source, changed)
    return took


def rollback(bench):
    """Back to the release before, whose folder is still there."""
    with Scratch(bench.shipit) as scratch:
        source = Source(scratch, 2002)
        homes = {"serving": scratch.home("served"), "nobody serving": scratch.home("alone", served=False)}
        apps = {name: ways.by_shipit(home, name.split()[0]) for name, home in homes.items()}
        times = {name: ([], []) for name in homes}
        for app in apps.values():
            app.push(source, source.paths)
        for _ in range(bench.rounds(5, 1)):
            changed = source.change(1)
            for name, home in homes.items():
                before = os.readlink(f"{apps[name].target}/current")
                apps[name].push(source, changed)
                took = rolled_back(scratch, home, name.split()[0], apps[name].target, before)
                started = timed([scratch.shipit, "--version"], home.environment)[0]
                times[name][0].append(took)
                times[name][1].append(started)
                home.run("unhold", "staging", "--app", name.split()[0])
    for name, (took, started) in times.items():
        bar = 50 if name == "serving" else None
        yield Row(f"rollback returns, {name}", took, "starting the program", started, bar=bar,
                  of="difference")


def rolled_back(scratch, home, app, target, before):
    scratch.rest()
    took = timed([scratch.shipit, "rollback", "staging", "--app", app], home.environment)[0]
    if os.readlink(f"{target}/current") != before:
        raise Failure("rollback did not bring the release before back")
    return took


def busy(bench):
    """Push returns while the build of another app writes a gigabyte again and again."""
    with Scratch(bench.shipit) as scratch:
        source, home = Source(scratch, 52), scratch.home("served")
        detach = ways.by_shipit(home, "detach", detach=True)
        detach.goes_live = False    # where a build holds up those of other apps
        pair = {"detach": detach, "empty": ways.empty(scratch, "empty", settings_of=detach)}
        ways.Rounds(pair).push(source, source.paths)
        scratch.rest()
        writer = Source(scratch, 1, {"buildspec.yml": BUILDSPEC})
        repository = ways.by_shipit(home, "writer").repository
        scratch.git(writer.repository, "push", "-q", "-o", "detach", repository, "main")
        wait_for_writer(home)
        scratch.rest = lambda: pause_beside_writer(home)
        rounds = ways.Rounds(pair).take(source, 1, bench.rounds(15, 5))
        home.run("cancel", "--app", "writer", accept=(0, 1))
    yield Row("push returns, -o detach", rounds.returned["detach"], "empty hook, same settings",
              rounds.returned["empty"], bar=1.15)


def is_writing(home):
    for pid in descendants(home.server.pid):
        try:
            with open(f"/proc/{pid}/comm") as file:
                if file.read() == "dd\n":
                    return True
        except OSError:
            pass    # it has ended
    return False


def wait_for_writer(home):
    deadline = time.monotonic() + 30
    while not is_writing(home):
        if time.monotonic() > deadline:
            raise Failure("the build that writes a gigabyte did not start")
        time.sleep(0.05)


def pause_beside_writer(home):
    """The disk never rests here; but what the last push left to do is over after a while."""
    time.sleep(0.3)
    wait_for_writer(home)


def reads(bench):
    """Two readers, one in a hurry and one that takes its time, open `current` and read twenty files there."""
    deployments = bench.rounds(50, 10)
    with Scratch(bench.shipit) as scratch:
        source, home = Source(scratch, 52), scratch.home("served")
        app = ways.by_shipit(home, "read")
        stamped = source.paths[:20]
        app.push(source, source.paths)
        with Readers(f"{app.target}/current", stamped) as readers:
            for _ in range(deployments):
                app.push(source, source.renew(stamped))
            readers.stop()
    yield Row(f"mixed reads, {deployments} deployments", [readers.mixed.value], unit="count", bar=0, of="value")
    yield Row("missing reads", [readers.missing.value], unit="count", bar=0, of="value")
    yield Row("passes made, of twenty files each", [readers.passes.value], unit="count")


class Readers:
    def __init__(self, link, paths):
        self.link, self.paths = link, paths
        self.mixed, self.missing, self.passes = (multiprocessing.Value("q", 0) for _ in range(3))
        self.over = multiprocessing.Event()
        self.processes = [multiprocessing.Process(target=self.read, args=(pause,), daemon=True)
                          for pause in (0, 0.005)]

    def __enter__(self):
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
            process.join()

    def stop(self):
        self.over.set()
        for process in self.processes:
            process.join(30)
            if process.exitcode != 0:
                raise Failure("a reader did not come to its end")

    def read(self, pause):
        while not self.over.is_set():
            versions = self.versions(pause)
            self.count(self.passes, 1)
            self.count(self.missing, None in versions)
            self.count(self.mixed, len(versions - {None}) > 1)

    def versions(self, pause):
        try:
            folder = os.open(self.link, os.O_DIRECTORY)
        except FileNotFoundError:
            return {None}
        versions = set()
        for path in self.paths:
            versions.add(self.version(folder, path))
            time.sleep(pause)
        os.close(folder)
        return versions

    @staticmethod
    def version(folder, path):
        try:
            file = os.open(path, os.O_RDONLY, dir_fd=folder)
        except FileNotFoundError:
            return None
        try:
            return os.read(file, 40).split()[1]
        except IndexError:
            return b"an empty file"
        finally:
            os.close(file)

    @staticmethod
    def count(value, number):
        with value.get_lock():
            value.value += number


def space(bench):
    """What an app takes after so many deployments that old releases are removed."""
    with Scratch(bench.shipit) as scratch:
        source, home = Source(scratch, 2002), scratch.home("served")
        app = ways.by_shipit(home, "space")
        app.push(source, source.paths)
        for _ in range(9):
            app.push(source, source.change(1))
        scratch.rest()
        tree = disk(f"{app.target}/current/.")
        artifacts, target = disk(f"{home.path}/artifacts"), disk(app.target)
    yield Row("target and artifacts, 10 deployments", [target + artifacts], "8 trees and the artifacts",
              [8 * tree + artifacts], unit="mib", bar=1)
    yield Row("  the target alone", [target], "one tree", [tree], unit="mib")
    yield Row("  the artifacts alone", [artifacts], "one tree", [tree], unit="mib")
