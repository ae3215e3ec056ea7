"""The tree that is pushed: files whose content follows from their path and version, and its commits."""

import random
import subprocess

from .rows import Failure

FILES_PER_FOLDER = 100
PHRASES = [word + after for word in (
    "push", "build", "stage", "live", "revision", "release", "target", "hook", "the", "of", "and", "a")
    for after in (" ", ", ", ".\n", *(f" {number} " for number in range(1000, 1100)))]


class Source:
    """A repository whose commits are written without a work tree, since git takes long to look through a large one."""

    def __init__(self, scratch, files, extra=None, size=4096):
        self.size = size
        self.scratch, self.repository = scratch, f"{scratch.folder}/source-{files}.git"
        self.paths = [f"folder-{n // FILES_PER_FOLDER:03}/file-{n:05}.txt" for n in range(files)]
        self.versions = dict.fromkeys(self.paths, 1)
        self.commits = 0
        scratch.run("git", "init", "-q", "--bare", "-b", "main", self.repository)
        self.commit(self.paths, extra or {})

    def change(self, count):
        """Commits new content of that many files; returns their paths in the order in which git checks them out."""
        return self.renew(sorted(random.sample(self.paths, count)))

    def renew(self, paths):
        for path in paths:
            self.versions[path] += 1
        self.commit(paths, {})
        return paths

    def content(self, path):
        """Says its version in the first line; no two are alike, and they compress about as well as prose."""
        begin = f"version {self.versions[path]} of {path}\n"
        return (begin + "".join(random.Random(begin).choices(PHRASES, k=self.size // 5))).encode()[:self.size]

    def commit(self, paths, extra):
        words = ["git", "-C", self.repository, "fast-import", "--quiet", "--depth=0"]
        with subprocess.Popen(words, env=self.scratch.environment, stdin=subprocess.PIPE) as importer:
            out = importer.stdin
            out.write(b"commit refs/heads/main\ncommitter Ann <ann@example.org> %d +0000\ndata 6\nround\n\n"
                      % (1_700_000_000 + self.commits))
            if self.commits:
                out.write(b"from refs/heads/main^0\n")
            for path in paths:
                self.add(out, path, self.content(path))
            for path, text in extra.items():
                self.add(out, path, text.encode())
        if importer.returncode != 0:
            raise Failure(f"git fast-import ended with {importer.returncode}")
        self.commits += 1

    @staticmethod
    def add(out, path, content):
        out.write(b"M 100644 inline %b\ndata %d\n%b\n" % (path.encode(), len(content), content))
