"""No simulation outlives the process that asked for it."""

from __future__ import annotations

import os
import sys
import threading
import time

PARENT_LOOKED_AT = 1.0  # [s]


def end_with_parent(parent: int) -> None:
    """End this process when the process that started it, number `parent`, is gone.

    A killed parent cannot end its children: without this, one with a long deck would go on for ever. The parent says
    its number itself: it may be gone before this is called, when the system would name another.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_LOOKED_AT)
    os._exit(0)


# Linux's PR_SET_PDEATHSIG with SIGKILL; it outlasts the exec. The parent may have gone before it was set.
_BOUND = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


def bound_to_this_process(command: list[str], environment: dict[str, str]) -> list[str]:
    """The command, which starts with a full path, so that the system kills it when this process is gone.

    It keeps its process number, and has no other `environment`. The thread that starts it must wait for it: Linux
    counts that thread's end as the parent's. Where the system is not Linux it is the plain command.
    """
    plain = ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environment.items()), *command]
    if not sys.platform.startswith("linux"):
        return plain
    return [sys.executable, "-I", "-S", "-c", _BOUND, str(os.getpid()), *plain]
