"""Links by which a worker on another machine fetches an artifact from the web process: good for
that artifact alone, and for a few minutes. Whoever signs and whoever checks share the database.
"""

import hashlib
import hmac
import time
from urllib.parse import urlencode

from deploy_tasks.models import Instance

#: Seconds. What has begun may take longer.
GOOD_FOR = 300


def link(sha256: str) -> str:
    """Path and query, to come after the address of the web process."""
    until = int(time.time()) + GOOD_FOR
    return f"/artifacts/{sha256}?{urlencode({'until': until, 'sign': _sign(sha256, until)})}"


def is_good(sha256: str, until: str, sign: str) -> bool:
    """Whether we have made such a link, and its time is not over."""
    if not until.isdecimal() or len(until) > 12 or int(until) < time.time():
        return False
    return hmac.compare_digest(sign.encode(), _sign(sha256, int(until)).encode())


def _sign(sha256: str, until: int) -> str:
    key = Instance.current().links_key.encode()
    return hmac.new(key, f"artifact {sha256} {until}".encode(), hashlib.sha256).hexdigest()
