"""Before there is anything to be stopped, Ctrl-C just ends it, without a traceback."""

import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)

from demo.main import main  # noqa: E402

sys.exit(main())
