"""What is seen from outside: when something happens, whether all is quiet, and how much is taken."""

import ctypes
import os
import select
import struct
import subprocess
import tempfile
import threading
import time

from .rows import Failure

IN_CLOSE_WRITE, IN_MOVED_TO = 0x08, 0x80
LIBC = ctypes.CDLL(None, use_errno=True)


class Sign:
    """A name in a folder that is renamed into place, or closed after it was written; the kernel says when."""

    def __init__(self, folder, name):
        self.name = name.encode()
        self.descriptor = LIBC.inotify_init1(os.O_CLOEXEC)
        if LIBC.inotify_add_watch(self.descriptor, folder.encode(), IN_MOVED_TO | IN_CLOSE_WRITE) < 0:
            raise Failure(f"could not watch {folder}: {os.strerror(ctypes.get_errno())}")

    def read(self):
        """Whether what happened just now is what is waited for."""
        events, at, found = os.read(self.descriptor, 1 << 16), 0, False
        while at < len(events):
            length = struct.unpack_from("iIII", events, at)[3]
            found = found or events[at + 16:at + 16 + length].rstrip(b"\0") == self.name
            at += 16 + length
        return found

    def close(self):
        os.close(self.descriptor)


def timed(words, environment, sign=None, accept=(0,), patience=600):
    """Runs a program; returns the milliseconds until it ended and until the sign was seen, both from its start."""
    seen = ended = None
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        child = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        process, poll = os.pidfd_open(child.pid), select.poll()
        for descriptor in [process] + ([sign.descriptor] if sign else []):
            poll.register(descriptor, select.POLLIN)
        try:
            while ended is None or (sign and seen is None):
                ready = dict(poll.poll(max(0, (began + patience - time.monotonic()) * 1000)))
                now = time.monotonic()
                if not ready:
                    raise Failure(f"{' '.join(words)}: nothing happened for {patience} s:\n{said(output)}")
                if process in ready:
                    ended = now
                    poll.unregister(process)
                if sign and sign.descriptor in ready and sign.read() and seen is None:
                    seen = now
        finally:
            os.close(process)
            if ended is None:
                child.kill()
            child.wait()
        if child.returncode not in accept:
            raise Failure(f"{' '.join(words)} ended with {child.returncode}:\n{said(output)}")
    return (ended - began) * 1000, seen and (seen - began) * 1000


def said(output):
    output.seek(0)
    return output.read().decode(errors="replace")


def descendants(pid):
    found = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                for child in file.read().split():
                    found += descendants(int(child))
    except OSError:
        pass    # it has ended
    return found


def activity(pid):
    """Changes whenever a process or one below it takes processor time, reads or writes."""
    found = []
    for one in descendants(pid):
        try:
            with open(f"/proc/{one}/stat") as stat, open(f"/proc/{one}/io") as io:
                found.append((one, stat.read().rsplit(")", 1)[1].split()[11:15], io.read()))
        except OSError:
            found.append((one, None, None))
    return found


def wait_until_quiet(homes, patience=180):
    """Waits until each home's worker has ended or does nothing, and no release is being prepared."""
    quiet, last, deadline = 0, None, time.monotonic() + patience
    while quiet < 5:
        now = [activity(home.server.pid) if home.server else home.has_worker() for home in homes]
        is_busy = True in now or any(home.is_preparing() for home in homes)
        quiet = quiet + 1 if now == last and not is_busy else 0
        last = now
        if time.monotonic() > deadline:
            raise Failure(f"the worker did not come to rest within {patience} s")
        time.sleep(0.015)


def status(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            lines = dict(line.split(":", 1) for line in file)
        return {key: int(lines.get(key, "0 kB").split()[0]) for key in ("VmHWM", "VmRSS", "RssAnon")}
    except (OSError, ValueError):
        return {"VmHWM": 0, "VmRSS": 0, "RssAnon": 0}


class Memory:
    """The highest memory, in MiB, of a process and all below it while the body of `with` runs."""

    def __init__(self, pid, pause=0.005):
        self.pid, self.pause = pid, pause
        self.worker = self.child = self.sum = self.anonymous = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self):
        with open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")     # forgets the highest so far
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def watch(self):
        while not self.over.wait(self.pause):
            figures = [status(pid) for pid in descendants(self.pid)]
            self.worker = max(self.worker, figures[0]["VmHWM"] / 1024)
            self.child = max([self.child] + [one["VmHWM"] / 1024 for one in figures[1:]])
            self.sum = max(self.sum, sum(one["VmRSS"] for one in figures) / 1024)
            self.anonymous = max(self.anonymous, sum(one["RssAnon"] for one in figures) / 1024)


def disk(path):
    """What a folder takes on the disk, in MiB; a file of several names counts once."""
    return int(subprocess.check_output(["du", "-sk", path]).split()[0]) / 1024
