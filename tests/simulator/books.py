"""The simulator's books: one JSON line per request, the truth that tests compare with.

All times are nanoseconds of CLOCK_MONOTONIC, the clock that kernel probes use. "Sent" times are
taken just before the write, "received" times just after the read, so that for a true observer on
the client's side
    start <= head_received      first chunk >= first_output_sent      end >= last_sent.
"""

import itertools
import json
import os
import threading
import time


def now() -> int:
    return time.monotonic_ns()


class Books:
    """Appends to one file; several worker processes may share it (one write per line)."""

    def __init__(self, path: str, worker: int):
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.worker = worker

    def open_entry(self) -> dict:
        return {"worker": self.worker, "number": next(self._numbers), "times": {}}

    def close_entry(self, entry: dict) -> None:
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        with self._lock:
            os.write(self._fd, line.encode())


def monotonic_to_unix_ns() -> int:
    """What to add to a monotonic time to get wall time; the best of a few samples."""
    best = None
    for _ in range(5):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = (after - before, wall - (before + after) // 2)
    return best[1]
