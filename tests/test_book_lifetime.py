"""What a command starts ends with it, however it ends: kernels (also in test_book_grid), and pools of processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from _tools.build import lifetime

TOOLS = Path(lifetime.__file__).parents[1]
# The commands that start kernels, pools of processes or browsers.
COMMANDS = [
    "build/build_book",
    "build/print_book",
    "check/kernels",
    "check/ranges",
    "check/run_times",
    "grid/run",
    "stored/depth",
    "stored/networks",
    "stored/paper",
    "stored/validation",
    "stored/visible",
]
SWEEP = """\
import os, sys, time
sys.path.insert(0, sys.argv[1])
from _tools.build import lifetime
from hierlib.learn.sweep import run

def slow(level, seed):
    open(os.path.join(os.environ['PIDS'], str(os.getpid())), 'w').close()
    time.sleep(0.1 if level < 4 else 60)
    return {"height": level}

def main():
    run(slow, {"level": list(range(10))}, seeds=[0], directory=sys.argv[2], n_jobs=2)

sys.exit(lifetime.supervise(main, kept="Points are kept."))
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_command_ends_what_it_started(name):
    text = (TOOLS / f"{name}.py").read_text()
    supervised = "table.keep(" if name.startswith("stored/") else "lifetime.supervise(main, kept="
    assert text.rstrip().splitlines()[-1].startswith(f"    sys.exit({supervised}")


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_processes_of_a_sweep_end_with_its_command_and_finished_points_stay(tmp_path, how, status):
    pids, kept = tmp_path / "pids", tmp_path / "kept"
    pids.mkdir()
    command = [sys.executable, "-c", SWEEP, str(TOOLS.parent), str(kept)]
    environment = {**os.environ, "PIDS": str(pids), "TMPDIR": str(tmp_path)}
    options = {"env": environment, "start_new_session": True, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, **options) as driver:
        while len(list(kept.glob("*.json"))) < 5:
            assert driver.poll() is None
            time.sleep(0.05)
        running = [psutil.Process(int(path.name)) for path in pids.iterdir()]
        assert len(running) == 2
        # Ctrl-C reaches the whole group; a killed command is killed alone.
        os.killpg(driver.pid, how) if how == signal.SIGINT else driver.kill()
        assert driver.wait(timeout=3) == status
        assert psutil.wait_procs(running, timeout=3)[1] == []
        if how == signal.SIGINT:
            assert driver.stdout.read() == "Interrupted. Points are kept.\n"
    assert len(list(kept.glob("*.json"))) == 5
    # Its folder of temporary files is gone, too.
    time.sleep(0.5)
    assert list(tmp_path.glob("hierlib-*")) == []


def test_status_and_leftovers_of_a_command_that_ends_by_itself(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import tempfile; from _tools.build import lifetime\n"
        "def main():\n    tempfile.mkstemp()\n    return 3\n"
        "sys.exit(lifetime.supervise(main, kept=''))"
    )
    command = [sys.executable, "-c", code, str(TOOLS.parent)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    assert subprocess.run(command, env=environment, check=False).returncode == 3
    assert list(tmp_path.iterdir()) == []
