"""The ways to bring a push live: shipit, the two hooks that people write by hand, and a hook that does nothing."""

import os
import random
import shutil

from .rows import Failure
from .scratch import POLICY
from .watch import Sign, timed

EMPTY_HOOK = "#!/bin/sh\n:\n"
ARCHIVE_HOOK = """\
#!/bin/sh
set -e
cd {target}
while read -r old new ref; do
    mkdir -p releases/$new
    git --git-dir={repository} archive $new | tar -x -C releases/$new
    ln -s releases/$new current.new
    mv -T current.new current
done
"""
CHECKOUT_HOOK = "#!/bin/sh\nexec git --work-tree={target} --git-dir={repository} checkout -f\n"


class Way:
    """A repository to push to, and the folder in which what was pushed goes live."""

    def __init__(self, scratch, repository, target, options=()):
        self.scratch, self.repository, self.target, self.options = scratch, repository, target, options

    live_folder = property(lambda self: f"{self.target}/current")
    goes_live = True

    def sign(self, source, changed):
        return Sign(self.target, "current")

    def push(self, source, changed):
        """One measured push: all is quiet and on the disk before it, and what is live is compared after it."""
        self.scratch.rest()
        sign = self.sign(source, changed) if self.goes_live else None
        words = ["git", "-C", source.repository, "push", "-q", *self.options, self.repository, "main"]
        try:
            times = timed(words, self.scratch.environment, sign)
        finally:
            if sign:
                sign.close()
        if self.goes_live:
            self.compare(source, changed)
        return times

    def compare(self, source, changed):
        """Looks at up to ten of the changed files and at up to ten of all."""
        for paths in (changed, source.paths):
            for path in random.sample(paths, min(10, len(paths))):
                with open(f"{self.live_folder}/{path}", "rb") as file:
                    if file.read() != source.content(path):
                        raise Failure(f"{self.live_folder}/{path} is not what was pushed")

    def prune(self):
        """Nothing to do where old releases are removed anyway."""


class Silent(Way):
    goes_live = False


class Archive(Way):
    def prune(self):
        live = os.path.basename(os.readlink(f"{self.target}/current"))
        for name in os.listdir(f"{self.target}/releases"):
            if name != live:
                shutil.rmtree(f"{self.target}/releases/{name}")


class Checkout(Way):
    """Git writes changed files in order, so all are there when the last one is closed."""

    live_folder = property(lambda self: self.target)

    def sign(self, source, changed):
        folder, name = os.path.split(f"{self.target}/{changed[-1]}")
        os.makedirs(folder, exist_ok=True)
        return Sign(folder, name)


def by_hook(kind, scratch, name, hook, settings_of=None):
    """A repository with a hook, and with git's default settings or those of another repository."""
    repository, target = f"{scratch.folder}/{name}.git", f"{scratch.folder}/live/{name}"
    scratch.run("git", "init", "-q", "--bare", "-b", "main", repository)
    os.makedirs(target)
    if settings_of:
        shutil.copy(f"{settings_of.repository}/config", f"{repository}/config")
    scratch.write(f"{repository}/hooks/post-receive", hook.format(target=target, repository=repository), 0o755)
    return kind(scratch, repository, target)


def by_shipit(home, name, policy=POLICY, detach=False):
    repository, folder = home.app(name, policy)
    return Way(home.scratch, repository, f"{folder}/staging", ["-o", "detach"] if detach else [])


def archive(scratch, name, settings_of=None):
    return by_hook(Archive, scratch, name, ARCHIVE_HOOK, settings_of)


def checkout(scratch, name):
    return by_hook(Checkout, scratch, name, CHECKOUT_HOOK)


def empty(scratch, name, settings_of=None):
    return by_hook(Silent, scratch, name, EMPTY_HOOK, settings_of)


class Rounds:
    """The times of several ways, taken by turns in an order that changes."""

    def __init__(self, ways):
        self.ways = ways
        self.returned = {name: [] for name in ways}
        self.live = {name: [] for name in ways}

    def push(self, source, changed, counts=True):
        for name in random.sample(list(self.ways), len(self.ways)):
            returned, live = self.ways[name].push(source, changed)
            if counts:
                self.returned[name].append(returned)
                self.live[name].append(live)
        for way in self.ways.values():
            way.prune()

    def take(self, source, count, rounds):
        for _ in range(rounds):
            self.push(source, source.change(count))
        return self

    def add(self, other):
        for name in other.ways:
            self.returned[name] += other.returned[name]
            self.live[name] += other.live[name]
        return self
