"""The end of a process, as a process of its own."""

import subprocess
import sys

from webapp.env import BASE

HANGS = (
    "import threading; from deploy_tasks.ending import end_anyway;"
    "threading.Thread(target=threading.Event().wait, name='host_7').start(); end_anyway(0.1)"
)


HAS_THE_LOG = "import logging; logging.lastResort.acquire();"


def test_a_process_ends_though_a_thread_does_not_and_names_it() -> None:
    told = ended(HANGS)
    assert told.returncode == 0
    assert told.stderr == "ended with threads that did not: MainThread, host_7\n"


def test_a_process_ends_though_nobody_takes_what_it_logs() -> None:
    assert ended(HAS_THE_LOG + HANGS).returncode == 0


def ended(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=BASE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
