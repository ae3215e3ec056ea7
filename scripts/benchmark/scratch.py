"""A folder in which everything happens, the programs that run in it, and their end."""

import fcntl
import os
import signal
import subprocess
import tempfile
import time

from .rows import Failure
from .watch import wait_until_quiet

POLICY = """\
app: {app}
repository: {repository}
environments:
  - name: staging
    targets: [{folder}/staging]
    keep: 5
"""
POLICY_WITH_PRODUCTION = POLICY + """\
  - name: production
    targets: [{folder}/production]
    promotion: manual
    keep: 5
"""


class Scratch:
    """Removed at the end with all that is in it; so is every process that was started for it."""

    def __init__(self, shipit):
        self.shipit = shipit

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="shipit-bench-")
        os.chmod(self.folder, 0o755)
        self.homes = []
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": self.folder, "GIT_CONFIG_NOSYSTEM": "1", "LANG": "C.UTF-8",
            "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.org",
            "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.org",
        }
        return self

    def __exit__(self, *_):
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for home in self.homes:
                home.stop()
            self.end_what_is_left()
            subprocess.run(["rm", "-rf", self.folder], check=False)
        finally:
            signal.signal(signal.SIGINT, interrupt)

    def end_what_is_left(self):
        """Workers that a hook started are nobody's children; all have this folder in their environment."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + 20
            while left := self.processes():
                for pid in left:
                    try:
                        os.kill(pid, number)
                    except ProcessLookupError:
                        pass
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)

    def processes(self):
        found = []
        for name in os.listdir("/proc"):
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if self.folder.encode() in file.read():
                        found.append(int(name))
            except (OSError, ValueError):
                pass    # not a process, or not one of ours
        return found

    def run(self, *words, environment=None, accept=(0,), **more):
        result = subprocess.run(words, env=environment or self.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, **more)
        if result.returncode not in accept:
            raise Failure(f"{' '.join(words)} ended with {result.returncode}:\n{result.stdout.decode()}")
        return result.stdout.decode().strip()

    def git(self, repository, *words, **more):
        return self.run("git", "-C", repository, *words, **more)

    def write(self, path, text, mode=0o644):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)

    def home(self, name, served=True):
        self.homes.append(Home(self, name, served))
        return self.homes[-1]

    def rest(self):
        """Nothing is under way, and nothing waits to be written: nobody pays for another's work."""
        wait_until_quiet(self.homes)
        os.sync()


class Home:
    """One shipit with its own ledger, artifacts and worker."""

    def __init__(self, scratch, name, served):
        self.scratch, self.path, self.served = scratch, f"{scratch.folder}/home-{name}", served
        self.environment = scratch.environment | {"SHIPIT_HOME": self.path}
        self.server, self.targets = None, []

    def run(self, *words, **more):
        return self.scratch.run(self.scratch.shipit, *words, environment=self.environment, **more)

    def app(self, name, policy=POLICY):
        """Makes an app, and returns its repository and the folder of its targets."""
        repository, folder = f"{self.scratch.folder}/{name}.git", f"{self.scratch.folder}/live/{name}"
        self.run("init", repository, "--app", name)
        text = policy.format(app=name, repository=repository, folder=folder)
        self.scratch.write(f"{self.path}/apps/{name}/pipeline.yml", text, 0o600)
        for environment in ("staging", "production"):
            self.targets.append(f"{folder}/{environment}")
            os.makedirs(self.targets[-1])
        if self.served and not self.server:
            self.serve()
        return repository, folder

    def serve(self):
        with open(f"{self.path}.log", "a") as log:
            self.server = subprocess.Popen(
                [self.scratch.shipit, "serve"], env=self.environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=log, start_new_session=True)
        self.until_served()

    def until_served(self):
        deadline = time.monotonic() + 30
        while not self.has_worker():
            if time.monotonic() > deadline or self.server.poll() is not None:
                raise Failure(f"shipit serve did not start:\n{open(f'{self.path}.log').read()}")
            time.sleep(0.02)

    def stop(self):
        if self.server:
            end(self.server)
            self.server = None

    def has_worker(self):
        if not os.path.exists(f"{self.path}/worker.lock"):
            return False
        with open(f"{self.path}/worker.lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
            except BlockingIOError:
                return True

    def is_preparing(self):
        return any(os.path.exists(f"{target}/.shipit/{name}")
                   for target in self.targets for name in ("incoming", "preparing"))


def end(process):
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
