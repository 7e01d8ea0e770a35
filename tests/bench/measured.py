"""Runs a command when told to, and writes what it cost.

    measured.py FOLDER COMMAND...

Writes the command's pid to FOLDER/pid before it starts, waits until FOLDER/go can be read, becomes
the command in that pid, and writes FOLDER/cost: {"user", "system", "wall"} in seconds.
"""

import json
import os
import pathlib
import signal
import sys
import time


def main() -> None:
    folder, command = pathlib.Path(sys.argv[1]), sys.argv[2:]
    pid = os.fork()
    if pid == 0:
        (folder / "go").open().read()   # a fifo
        os.execvp(command[0], command)
    (folder / "pid.new").write_text(str(pid))
    (folder / "pid.new").rename(folder / "pid")
    # The clock starts at the first sign of life behind the gate, read from the fifo's other end.
    while not (folder / "started").exists():
        if os.getppid() == 1:           # Whoever would open the gate is gone.
            os.kill(pid, signal.SIGKILL)
            sys.exit(1)
        time.sleep(0.0005)
    begin = time.monotonic()
    _, status, usage = os.wait4(pid, 0)
    cost = {"user": usage.ru_utime, "system": usage.ru_stime, "wall": time.monotonic() - begin,
            "status": os.waitstatus_to_exitcode(status)}
    (folder / "cost").write_text(json.dumps(cost))
    sys.exit(cost["status"])


if __name__ == "__main__":
    main()
