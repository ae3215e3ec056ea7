"""Pushes of trees of several sizes, and of small and large changes: push return, live, first deployment."""

from . import ways
from .rows import Row
from .scratch import Scratch
from .source import Source
from .watch import Memory, wait_until_quiet

SERVED, ARCHIVE, CHECKOUT = "shipit, serving", "archive hook", "checkout -f hook"


class Tree:
    """One size of tree. `live` collects what the plot shows."""

    def __init__(self, bench, files, size=4096):
        self.bench, self.files, self.size, self.live = bench, files, size, []

    def rows(self):
        with Scratch(self.bench.shipit) as scratch:
            self.scratch, self.source = scratch, Source(scratch, self.files, size=self.size)
            self.served, self.alone = scratch.home("served"), scratch.home("alone", served=False)
            yield from self.measure()

    def three_ways(self, name, home):
        return {SERVED: ways.by_shipit(home, name), ARCHIVE: ways.archive(self.scratch, f"{name}-archive"),
                CHECKOUT: ways.checkout(self.scratch, f"{name}-checkout")}

    def keep(self, changed, rounds):
        for name in {SERVED, ARCHIVE, CHECKOUT} & rounds.ways.keys():
            self.live.append({"files": self.files, "changed": changed, "way": name, "ms": rounds.live[name]})

    def compared(self, what, rounds, archive_bar=None, checkout_bar=None):
        if ARCHIVE in rounds.ways:
            yield Row(what, rounds.live[SERVED], ARCHIVE, rounds.live[ARCHIVE], bar=archive_bar)
        yield Row(what, rounds.live[SERVED], CHECKOUT, rounds.live[CHECKOUT], bar=checkout_bar)


class SmallTree(Tree):
    def __init__(self, bench, files, rounds, archive_bar, alone_bar, checkout_bar=None, all_bar=None):
        super().__init__(bench, files)
        self.rounds, self.archive_bar, self.alone_bar = rounds, archive_bar, alone_bar
        self.checkout_bar, self.all_bar = checkout_bar, all_bar

    def measure(self):
        yield from self.first()
        yield from self.one()
        larger = {"1% changed": self.files // 100, "everything changed": self.files}
        three = ways.Rounds({name: self.ways[name] for name in (SERVED, ARCHIVE, CHECKOUT)})
        for what, count in larger.items():
            if count > 0:
                rounds = ways.Rounds(three.ways).take(self.source, count, self.rounds["more"])
                self.keep(count, rounds)
                bar = self.all_bar if count == self.files else None
                yield from self.compared(f"{what}: staging live", rounds, bar)

    def first(self):
        rounds, home = None, self.scratch.home("first")
        for number in range(self.rounds["first"]):
            fresh = ways.Rounds(self.three_ways(f"first-{number}", home))
            fresh.push(self.source, self.source.paths)
            rounds = rounds.add(fresh) if rounds else fresh
        home.stop()
        yield from self.compared("first deployment: staging live", rounds)

    def one(self):
        scratch, shipit = self.scratch, ways.by_shipit
        detach = shipit(self.served, "detach", detach=True)
        self.ways = self.three_ways("live", self.served) | {
            "detach": detach, "detach alone": shipit(self.alone, "detach-alone", detach=True),
            "alone": shipit(self.alone, "alone"),
            "empty": ways.empty(scratch, "empty", settings_of=detach), "default": ways.empty(scratch, "default"),
            "durable": ways.archive(scratch, "durable", settings_of=detach),
        }
        rounds = ways.Rounds(self.ways)
        rounds.push(self.source, self.source.paths, counts=False)
        rounds.push(self.source, self.source.change(1), counts=False)
        rounds.take(self.source, 1, self.rounds["one"])
        self.keep(1, rounds)
        returned, live = rounds.returned, rounds.live
        yield Row("push returns, -o detach", returned["detach"], "empty hook, same settings", returned["empty"],
                  bar=1.15)
        yield Row("  nobody serving", returned["detach alone"], "empty hook, same settings", returned["empty"])
        yield Row("  an empty hook, same settings", returned["empty"], "empty hook, git's defaults",
                  returned["default"])
        yield from self.compared("staging live", rounds, self.archive_bar, self.checkout_bar)
        yield Row("staging live", live[SERVED], "archive hook, same settings", live["durable"])
        yield Row("  nobody serving", live["alone"], ARCHIVE, live[ARCHIVE], bar=self.alone_bar)
        yield Row("push returns with the verdict", returned[SERVED], ARCHIVE, returned[ARCHIVE])


class LargeTree(Tree):
    """The archive hook takes half a minute for each push, whatever changed, so it takes part in few."""

    def __init__(self, bench, files, size, rounds):
        super().__init__(bench, files, size)
        self.rounds = rounds

    def measure(self):
        three = self.three_ways("live", self.served)
        first = ways.Rounds(three)
        with Memory(self.served.server.pid, pause=0.02) as first_memory:
            first.push(self.source, self.source.paths)
            wait_until_quiet([self.served])
        yield from self.compared("first deployment: staging live", first)
        one = ways.Rounds(three)
        with Memory(self.served.server.pid) as one_memory:
            one.push(self.source, self.source.change(1))
            wait_until_quiet([self.served])
        quick = ways.Rounds({name: three[name] for name in (SERVED, CHECKOUT)})
        one.add(quick.take(self.source, 1, self.rounds["one"] - 1))
        percent = ways.Rounds(three).take(self.source, self.files // 100, 1)
        everything = ways.Rounds(quick.ways).take(self.source, self.files, 1)
        for what, count, done, bar in (
                ("one file changed", 1, one, 0.10), ("1% changed", self.files // 100, percent, None),
                ("everything changed", self.files, everything, None)):
            self.keep(count, done)
            yield from self.compared(f"{what}: staging live", done, bar)
        yield from memory_rows("memory, first deployment", first_memory)
        yield from memory_rows("memory, one file changed", one_memory)


def memory_rows(what, memory):
    yield Row(f"{what}: the worker", [memory.worker], unit="mib", bar=64, of="value")
    yield Row("  its largest child", [memory.child], unit="mib", bar=64, of="value")
    yield Row("  all together at a time", [memory.sum], unit="mib")
    yield Row("  of it not mapped from files", [memory.anonymous], unit="mib")
