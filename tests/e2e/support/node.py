# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The real provider (npm oidc-provider) and the real browser (Chromium) of
tests/e2e/node, with the versions that its package-lock.json names."""
import fcntl
import functools
import json
import os
import shutil
import subprocess

from . import missing
from .httpd import SLOW, free_port

HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                    "node")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

#: The mark of a test that has run_browser().
needs_browser = missing.needs("chromium", os.path.exists(CHROMIUM))


@functools.lru_cache(maxsize=None)
def _missing(where):
    """What keeps npm from installing the packages of the lock file there; None: they
    are installed."""
    lock = os.path.join(where, "package-lock.json")
    done = os.path.join(where, "node_modules", ".package-lock.json")
    with open(lock) as f:
        fcntl.flock(f, fcntl.LOCK_EX)  # other processes want them, too
        if os.path.exists(done) and \
                os.path.getmtime(done) >= os.path.getmtime(lock):
            return None
        if not shutil.which("npm"):
            return "it is not installed"
        result = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=600)
    if result.returncode:
        return "npm ci failed: " + result.stdout.decode()[-300:]
    return None


def need(where=HERE):
    """Node.js, and the packages of the lock file."""
    missing.need("node", shutil.which("node"))
    why = _missing(where)
    missing.need("npm", not why, why)


class RealProvider:
    """oidc-provider on a free port, with these clients and options."""

    def __init__(self, clients, port=None, **options):
        self.port = port or free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        self.options = json.dumps({"clients": clients, **options})
        self.process = None
        self.start()

    def start(self):
        """Again, after close(): the same keys, but no token is known."""
        self.process = subprocess.Popen(
            ["node", "provider.mjs", str(self.port), self.options], cwd=HERE,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        line = ""
        while "ready" not in line:
            line = self.process.stdout.readline()
            assert line, "the provider did not start"

    def close(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process.stdout.close()
        self.process = None


def run_browser(scenario, **options):
    """Plays a scenario of browser.mjs; fails with what it printed."""
    result = subprocess.run(
        ["node", "browser.mjs", scenario, json.dumps(options)], cwd=HERE,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=120 * SLOW)
    assert result.returncode == 0, result.stdout.decode("utf-8", "replace")
