"""What host/look.sh printed, as values."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Found:
    """What look.sh printed. ``free``: directory -> bytes, one for each file system.
    ``open``: ours, and others may write there."""

    missing: list[str]
    readonly: str
    open: str
    time: int | None
    free: dict[str, int]

    @classmethod
    def read(cls, text: str) -> "Found":
        missing, readonly, open_, at, free = [], "", "", None, {}
        systems, path = set(), ""
        for line in text.splitlines():
            word, _space, rest = line.partition(" ")
            if word == "missing":
                missing.append(rest)
            elif word == "readonly":
                readonly = rest
            elif word == "open":
                open_ = rest
            elif word == "time" and rest.isdecimal():
                at = int(rest)
            elif word == "disk":
                path = rest
            elif (row := _DF.search(line)) and path:
                # The same file system again says nothing new.
                if line not in systems:
                    free[path] = int(row["free"]) * 1024
                systems.add(line)
        return cls(missing, readonly, open_, at, free)


#: blocks, used, available, capacity; names before and after may have spaces.
_DF = re.compile(r"\s\d+\s+\d+\s+(?P<free>\d+)\s+(\d+%|-)\s")
