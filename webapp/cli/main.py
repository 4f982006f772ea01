"""Runs one command and says how it went."""

import os
import sys
from collections.abc import Sequence

from webapp.cli.arguments import parser
from webapp.cli.plain import plain
from webapp.cli.statuses import NotReachable, Refused, Status


def main(argv: Sequence[str]) -> int:
    given = parser().parse_args(argv)
    try:
        return int(given.run(given))
    except Refused as refusal:
        if refusal.answer and getattr(given, "json", False):
            print(refusal.answer)
        else:
            print(plain(str(refusal)), file=sys.stderr)
        return Status.REFUSED
    except NotReachable as trouble:
        print(plain(str(trouble)), file=sys.stderr)
        return Status.NOT_REACHABLE
    except KeyboardInterrupt:
        return Status.INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has gone, as `| head` does; the interpreter must not flush into the void.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Status.NOT_WELL
