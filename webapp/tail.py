"""A part of a job's story in memory, cut into batches that watchers share."""

from bisect import bisect_right

from deploy_tasks.events import Item, Page
from webapp.protocol import Batch, batches

#: Bytes of items that are read together: what one watcher may have on its way.
PAGE = 256 * 1024
#: Bytes of items that are kept.
KEPT = 3 * PAGE
#: Batches that are kept: most watchers stand at the same few places.
CUT = 32

Hosts = frozenset[str] | None


class Tail:
    """Holds the events ``after`` < seq <= ``last``, without a hole."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.last = after
        #: What was last before the newest page came.
        self.newest = after
        self._items: list[Item] = []
        self._size = 0
        self._batches: dict[tuple[int, Hosts], Batch] = {}

    def extend(self, page: Page) -> None:
        """Takes a page that was read after ``last``, and lets go of the oldest."""
        self._items += page.lines
        self._size += sum(item.size for item in page.lines)
        self.newest, self.last = self.last, page.to
        self._batches.clear()
        surplus = 0
        while self._size > KEPT:
            self._size -= self._items[surplus].size
            self.after = self._items[surplus].seq
            surplus += 1
        del self._items[:surplus]

    def has(self, cursor: int) -> bool:
        """Is everything that comes after the cursor here?"""
        return cursor >= self.after

    def goes_on(self, cursor: int) -> bool:
        """Is the event after the cursor here?"""
        return self.after <= cursor < self.last

    def next(self, cursor: int, hosts: Hosts) -> Batch:
        """The batch after a cursor. Made once for all watchers that stand at the same place."""
        batch = self._batches.get((cursor, hosts))
        if batch is None:
            if len(self._batches) >= CUT:
                self._batches.clear()
            start = bisect_right(self._items, cursor, key=lambda item: item.seq)
            cut = batches(self._items[start:], after=cursor, to=self.last, hosts=hosts)
            batch = self._batches[cursor, hosts] = next(cut)
        return batch
