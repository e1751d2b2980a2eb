"""A headless Chromium, driven over its pipe (Chrome DevTools Protocol), with nothing to install but the browser.

Debian: `apt install chromium-headless-shell`. Ubuntu, Fedora: Google Chrome, or any Chromium named by COSIM_BROWSER.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = (
    "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
)  # fmt: skip
BROWSER = os.environ.get("COSIM_BROWSER") or next((found for name in NAMES if (found := shutil.which(name))), None)
REASON = "no Chromium on this machine (Debian: apt install chromium-headless-shell; elsewhere: COSIM_BROWSER=/path/to)"

# The browser reads commands from descriptor 3 and answers on 4.
_LAUNCH = (
    "import fcntl, os, sys; ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]];"
    "os.dup2(ends[0], 3); os.dup2(ends[1], 4); os.execv(sys.argv[3], sys.argv[3:])"
)
_OPTIONS = (
    "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--hide-scrollbars", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-extensions",
)  # fmt: skip


@dataclass
class Loaded:
    """What a page did while it was opened: lines on the console, and addresses that it asked for."""

    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


class Browser:
    """One tab. Use `open_browser`."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._count = 0
        self._rest = b""
        self._session: str | None = None
        self.loaded = Loaded()
        self._saving, self._saved, self._names = Path(), list[Path](), dict[str, str]()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command, wait for its result. Raises RuntimeError with the browser's words when it is refused."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        while True:
            found = self._next()
            if found.get("id") == self._count:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']}")
                return found["result"]

    def show(self, path: Path, *, width: int, dark: bool = False, media: str = "screen") -> Loaded:
        """Open a file in a window of that width [px] and wait until it is loaded."""
        self.loaded = Loaded()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        # A fresh page each time: the same address would keep what a script did to it.
        self.call("Page.navigate", url="about:blank")
        self.loaded = Loaded()
        address = path.resolve().as_uri()
        failed = self.call("Page.navigate", url=address).get("errorText")
        if failed:
            raise RuntimeError(f"{address}: {failed}")
        self.run(
            "new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', () => done()))"
        )
        return self.loaded

    def run(self, script: str) -> Any:
        """Value of a JavaScript expression; a promise is waited for."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """Save what is seen as PNG, to the page's end if `whole`."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def pdf(self, path: Path) -> None:
        """Print to A4 with the page's own margins."""
        size = {"paperWidth": 8.27, "paperHeight": 11.69}
        data = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True, **size)["data"]
        path.write_bytes(base64.b64decode(data))

    def save_from(self, folder: Path) -> None:
        """Save what is downloaded from now on in `folder`, under the names that the page gives."""
        self._saving = folder
        self._saved = []
        self.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def saved(self, count: int) -> list[Path]:
        """The files of so many downloads, once they are there."""
        while len(self._saved) < count:
            self._next(10.0)
        return self._saved

    def _next(self, wait: float = 60.0) -> dict[str, Any]:
        end = time.monotonic() + wait
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self._answers, 1 << 20) if ready else b""
            if not part:
                raise RuntimeError("the browser closed" if ready else f"the browser said nothing for {wait:.0f} s")
            self._rest += part
        text, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(text)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, method: str | None, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.loaded.requests.append(params["request"]["url"])
        elif method == "Page.downloadWillBegin":
            self._names[params["guid"]] = params["suggestedFilename"]
        elif method == "Page.downloadProgress" and params["state"] == "completed":
            self._saved.append(self._saving / self._names[params["guid"]])
        elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.loaded.console.append(json.dumps(params))


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """A browser that keeps its files in `profile` and is gone afterwards."""
    assert BROWSER is not None
    program = shutil.which(BROWSER)
    assert program is not None, f"COSIM_BROWSER={BROWSER} is no program"
    their_in, commands = os.pipe()
    answers, their_out = os.pipe()
    command = [sys.executable, "-c", _LAUNCH, str(their_in), str(their_out), program, *_OPTIONS]
    process = subprocess.Popen(
        [*command, f"--user-data-dir={profile}"],
        pass_fds=(their_in, their_out),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(profile)},
    )
    os.close(their_in)
    os.close(their_out)
    try:
        browser = Browser(commands, answers)
        yield browser
        browser._session = None
        browser.call("Browser.close")
    finally:
        os.close(commands)
        os.close(answers)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
