"""No simulation outlives the process that asked for it."""

from __future__ import annotations

import os
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
