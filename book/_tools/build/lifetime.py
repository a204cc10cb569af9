"""Let a command end at once, and let everything that it started end with it.

Kernels are in sessions of their own, where Ctrl-C does not reach them, and may outlive a command that is killed. So
whatever a command starts carries a mark in its environment. Ctrl-C kills all that carry it; where the command itself
is killed, a guardian does, which notices by the end of a pipe. The command's temporary files go too.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable

import psutil

MARK = "HIERLIB_COMMAND"  # its value is the folder for temporary files, which no other command has
INTERRUPTED = 128 + signal.SIGINT


def supervise(main: Callable[[], int | None], *, kept: str) -> int:
    """Run a command line and return its exit status; on Ctrl-C say in one line what is `kept`, and exit with 130."""
    scratch = tempfile.mkdtemp(prefix="hierlib-")
    command = [sys.executable, __file__, scratch]
    guardian = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    # The kernels' connection files, too.
    os.environ.update({MARK: scratch, "TMPDIR": scratch, "JUPYTER_RUNTIME_DIR": scratch})
    tempfile.tempdir = None

    def interrupt(*_) -> None:
        kill_marked(scratch)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        status = main()
    except KeyboardInterrupt:
        print(f"Interrupted. {kept}", flush=True)
        # Not by raising: threads that waited for a kernel would start the next one.
        os._exit(INTERRUPTED)
    guardian.communicate(b"finished")
    shutil.rmtree(scratch, ignore_errors=True)
    return status or 0


def kill_marked(scratch: str) -> None:
    """Kill every process that carries the mark of a command."""
    for process in psutil.process_iter():
        try:
            # A tracker of shared resources ends by itself, after it has removed what the others left.
            if process.environ().get(MARK) == scratch and "resource_tracker" not in " ".join(process.cmdline()):
                process.kill()
        except psutil.Error:  # gone in the meantime, or another user's
            continue


def guard(scratch: str) -> None:
    """Wait until the command ends; unless it says that it has finished, end what it started."""
    if sys.stdin.buffer.read() != b"finished":
        kill_marked(scratch)
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    guard(sys.argv[1])
