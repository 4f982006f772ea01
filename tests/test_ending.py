"""The end of a process, as a process of its own."""

import subprocess
import sys

from webapp.env import BASE

HANGS = (
    "import threading; from deploy_tasks.ending import end_anyway;"
    "threading.Thread(target=threading.Event().wait, name='host_7').start(); end_anyway(0.1)"
)


def test_a_process_ends_though_a_thread_does_not_and_names_it() -> None:
    told = subprocess.run(
        [sys.executable, "-c", HANGS],
        cwd=BASE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0
    assert told.stderr == "ended with threads that did not: MainThread, host_7\n"
