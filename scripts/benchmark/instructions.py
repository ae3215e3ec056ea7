"""Instructions that the two hottest paths take, which do not depend on what else the machine does."""

import fcntl
import os
import re
import shutil
import subprocess

from . import ways
from .rows import Row
from .scratch import Scratch
from .source import Source

PATIENCE = 240


def counted(bench):
    """The hook's program, and a worker that takes in one push of 2,002 files with one changed."""
    missing = [program for program in ("valgrind", "strip", "gcc") if not shutil.which(program)]
    if missing:
        print(f"  not available: there is no {missing[0]}")
        return
    with Scratch(bench.shipit) as scratch:
        programs = prepared(scratch)
        source, home = Source(scratch, 2002), scratch.home("alone", served=False)
        app = ways.by_shipit(home, "counted", detach=True)
        app.push(source, source.paths)
        app.push(source, source.change(1))
        scratch.rest()
        with open(f"{home.path}/worker.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)    # so no hook starts a worker
            old = scratch.git(source.repository, "rev-parse", "main")
            changed = source.change(1)
            new = scratch.git(source.repository, "rev-parse", "main")
            scratch.git(source.repository, "push", "-q", "-o", "detach", app.repository, "main")
            hook = [count(scratch, [f"{programs}/shipit-receive", "--home", home.path, "--program", bench.shipit],
                          cwd=app.repository, input=f"{old} {new} refs/heads/main\n".encode(),
                          extra={"GIT_DIR": ".", "GIT_PUSH_OPTION_COUNT": "1", "GIT_PUSH_OPTION_0": "detach"})
                    for _ in range(3)]
            keep_one(f"{home.path}/spool")
        work = [count(scratch, [f"{programs}/shipit", "work"],
                      extra={"SHIPIT_HOME": home.path, "LD_PRELOAD": f"{programs}/openat2.so"})]
        if None not in work:
            app.compare(source, changed)
    for what, figures in (("shipit-receive, one push", hook), ("shipit work, one push of 2,002 files", work)):
        if None in figures:
            print(f"  {what}: not available: valgrind failed or took more than {PATIENCE} s")
        else:
            yield Row(what, figures, unit="instructions")


def prepared(scratch):
    """Programs that an older valgrind can run: without debug information, and with what stands in for openat2."""
    folder = f"{scratch.folder}/programs"
    os.makedirs(folder)
    for name in ("shipit", "shipit-receive"):
        scratch.run("strip", "-o", f"{folder}/{name}", f"{os.path.dirname(scratch.shipit)}/{name}")
    scratch.run("gcc", "-O2", "-shared", "-fPIC", "-o", f"{folder}/openat2.so",
                f"{os.path.dirname(__file__)}/openat2.c")
    return folder


def count(scratch, words, extra, **more):
    """Millions of instructions, or nothing when it could not be found out."""
    out = f"{scratch.folder}/callgrind.out"
    try:
        subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *words],
                       env=scratch.environment | extra, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=PATIENCE, check=True, **more)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return None
    with open(out) as file:
        totals = re.search(r"^(?:totals|summary): (\d+)", file.read(), re.MULTILINE)
    return totals and int(totals[1]) / 1e6


def keep_one(spool):
    """The counted hooks queued the same push again; the worker shall find one."""
    names = sorted(name for name in os.listdir(spool) if os.path.isfile(f"{spool}/{name}"))
    for name in names[1:]:
        os.unlink(f"{spool}/{name}")
