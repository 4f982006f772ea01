"""Programs that are not ours, in an environment of their own that is made on first use."""

import subprocess
import sys
import venv
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
#: Beside ours; what they need shall not come into it.
HOME = Path(f"{Path(sys.prefix)}-bench")
#: Seconds for a first installation.
PATIENCE = 300


def program(name: str, *, requirements: str = "requirements.txt") -> Path | None:
    """A program of that environment; None, and a word why, where it cannot be had."""
    found = HOME / "bin" / name
    stamp, wanted = HOME / f".{requirements}", (PEERS / requirements).read_text()
    if found.exists() and stamp.exists() and stamp.read_text() == wanted:
        return found
    _say(f"installing {requirements} of the benchmark's peers into {HOME} ...")
    try:
        if not (HOME / "bin" / "python").exists():
            venv.create(HOME, with_pip=True)
        pip = [str(HOME / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
        subprocess.run(
            [*pip, "-r", str(PEERS / requirements)],
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.SubprocessError) as error:
        _say(f"{name} cannot be had: {getattr(error, 'stderr', '') or error}")
        return None
    stamp.write_text(wanted)
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
