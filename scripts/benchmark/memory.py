"""The memory of the worker and its children while a large file comes in."""

import os
import shutil

from . import ways
from .rows import Failure, Row
from .scratch import Scratch
from .trees import memory_rows
from .watch import Memory, timed, wait_until_quiet


def large_file(bench):
    """One push of a large file; git keeps it loose or in a pack, by how many objects a push may unpack."""
    with Scratch(bench.shipit) as scratch:
        size = bench.rounds(512, 128) << 20
        source = large_source(scratch, size)
        for form, limit in (("packed", "1"), ("loose", "100")):
            home = scratch.home(form)
            app = ways.by_shipit(home, form, detach=True)
            scratch.git(app.repository, "config", "receive.unpackLimit", limit)
            scratch.rest()
            sign = app.sign(None, None)
            with Memory(home.server.pid) as memory:
                words = ["git", "-C", source, "push", "-q", *app.options, app.repository, "main"]
                returned, live = timed(words, scratch.environment, sign)
                wait_until_quiet([home])
            sign.close()
            check(scratch, app, form, size)
            yield from memory_rows(f"{size >> 20:,} MiB in one file, {form}", memory)
            yield Row("  live after the push returned", [live - returned])
            home.stop()
            scratch.homes.remove(home)
            for path in (home.path, app.repository, app.target):
                shutil.rmtree(path)


def large_source(scratch, size):
    source = f"{scratch.folder}/large"
    scratch.run("git", "init", "-q", "-b", "main", source)
    scratch.git(source, "config", "core.compression", "0")
    with open(f"{source}/large", "wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    scratch.git(source, "add", "large")
    os.unlink(f"{source}/large")
    scratch.git(source, "commit", "-q", "-m", "large")
    return source


def check(scratch, app, form, size):
    counts = dict(line.split(": ") for line in scratch.git(app.repository, "count-objects", "-v").split("\n"))
    if (counts["packs"] == "0") != (form == "loose"):
        raise Failure(f"git did not keep the file {form}")
    if os.path.getsize(f"{app.live_folder}/large") != size:
        raise Failure("the large file did not arrive whole")
