"""One ngspice in a child process that is spoken to over a socket pair.

For hosts that may not have children of `multiprocessing`: a Dask worker is a daemonic process. The child lives through
many decks, is killed when one overruns its time, and ends with its host, however that ends.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from cosim.spice.deck import Deck, Failure, FailureKind, Result
from cosim.spice.pool import DECKS_PER_WORKER, WorkerState

START_WITHIN = 120.0  # [s], on a busy machine or a slow file system
DYING_WITHIN = 10.0  # [s], a process that has closed its line, until its status is known


class Server:
    """A child process with a session; `run` gives the result of a deck whatever happens to the child."""

    def __init__(self, library: Path, klu: bool) -> None:
        self.library, self.klu = library, klu
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Connection | None = None
        self._decks = 0
        self._folder = ""

    def run(self, deck: Deck, key: str, timeout: float) -> Result:
        """Run a deck with its retries; a `Failure` when the child dies or has no answer within `timeout` seconds."""
        failure = self._ask(deck, key, timeout)
        return failure if isinstance(failure, Result) else Result(key, {}, failure, failure.line, float("nan"))

    def _ask(self, deck: Deck, key: str, timeout: float) -> Result | Failure:
        try:
            line = self._line_to_child()
            line.send((deck, key))
            if not line.poll(timeout):
                self.close()
                return Failure(FailureKind.TIMEOUT, f"no answer within {timeout:g} s; the worker was killed")
            answer, poisoned = line.recv()
        except TimeoutError:
            return Failure(FailureKind.TIMEOUT, f"the worker did not start within {START_WITHIN:g} s")
        except (EOFError, OSError):
            return Failure(FailureKind.CRASH, f"the worker died (status {self._ended()})")
        self._decks += 1
        if poisoned or self._decks >= DECKS_PER_WORKER:
            self.close()
        found: Result | Failure = answer
        return found

    def _line_to_child(self) -> Connection:
        """The line to a child that lives and has Python's part of ngspice loaded."""
        if self._line is not None and self._process is not None and self._process.poll() is None:
            return self._line
        self.close()
        self._folder = tempfile.mkdtemp(prefix="cosim-")
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-c", "from cosim.spice.server import serve; serve()", str(theirs.fileno())]
            self._process = subprocess.Popen(
                [*command, str(self.library), str(int(self.klu))],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # ngspice writes there by itself
                cwd=self._folder,  # and its models into the working folder
            )
        self._line, self._decks = Connection(ours.detach()), 0
        if not self._line.poll(START_WITHIN):
            self.close()
            raise TimeoutError
        self._line.recv()
        return self._line

    def _ended(self) -> int | None:
        """The status of a child that broke the line."""
        if self._process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(DYING_WITHIN)
        return None

    def close(self) -> None:
        """End the child at once, whatever it does."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            shutil.rmtree(self._folder, ignore_errors=True)
        self._line = self._process = None


def serve() -> None:
    """The child: answer decks until the host closes the line or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a keyboard's interrupt is the host's affair
    import cosim.spice.session  # noqa: F401  (so that loading it takes no deck's time)

    line = Connection(int(sys.argv[1]))
    state = WorkerState(Path(sys.argv[2]), bool(int(sys.argv[3])))
    asked: queue.SimpleQueue[tuple[Deck, str]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(line, asked), daemon=True).start()
    line.send(None)
    while True:
        deck, key = asked.get()
        answer: Result | Failure
        try:
            answer = state.run(deck, key)
        except Exception as error:  # as in the process pool: whatever is raised is this deck's failure
            answer = Failure(FailureKind.CRASH, f"{type(error).__name__} in the worker: {error}")
        line.send((answer, state.poisoned))


def _listen(line: Connection, asked: queue.SimpleQueue[tuple[Deck, str]]) -> None:
    """Take what comes in; end the process when the line does, also in the middle of a deck."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            asked.put(line.recv())
    shutil.rmtree(Path.cwd(), ignore_errors=True)  # the host, which made it, may be gone
    os._exit(0)
