"""Whether the broker takes bells, and since when it does not.

It is what carries bells, and what rings watchers: the same Redis, or a RabbitMQ beside it.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime

import redis
from django.conf import settings
from django.utils import timezone
from kombu import Connection

log = logging.getLogger(__name__)

#: Seconds, for each part.
ANSWER_WITHIN = 1.0
EVERY = 3.0


@dataclass(frozen=True)
class Trouble:
    """``word`` is what `word` gives."""

    word: str
    since: datetime


class Watch:
    """Asks by a thread of its own: no page waits for a broker that hangs."""

    def __init__(self) -> None:
        #: What pages say; None where all is well, and where nobody watches.
        self.trouble: Trouble | None = None
        self._suspected: Trouble | None = None
        self._ended = threading.Event()

    def begin(self) -> None:
        threading.Thread(target=self._run, name="broker", daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def look(self) -> None:
        """What is found twice in a row is true: one answer may come late."""
        found = word()
        if found == "ok":
            self.trouble = self._suspected = None
        elif self._suspected and self._suspected.word == found:
            self.trouble = self._suspected
        else:
            self._suspected = Trouble(found, timezone.now())

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.look()
            except Exception:
                log.exception("the broker could not be looked at")
            self._ended.wait(EVERY)


#: Of this web process.
watch = Watch()


def word() -> str:
    """``ok``; "away" where it does not answer, "full" where it takes no message."""
    beside = settings.CELERY_BROKER_URL.startswith("amqp")
    word = _redis()
    if beside and word != "away":  # a full one rings watchers all the same
        return "ok" if _rabbit_answers() else "away"
    return word


def _rabbit_answers() -> bool:
    # Not the application's connections: those may know nothing of a broker that has gone.
    connection = Connection(settings.CELERY_BROKER_URL, connect_timeout=ANSWER_WITHIN)
    away: tuple[type[BaseException], ...] = (OSError, *connection.connection_errors)
    try:
        connection.connect()
    except away:
        return False
    finally:
        connection.release()
    return True


def _redis() -> str:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=ANSWER_WITHIN, socket_connect_timeout=ANSWER_WITHIN
    )
    try:
        client.ping()
        return "full" if _is_full(client) else "ok"
    except (redis.RedisError, OSError):
        return "away"
    finally:
        client.close()


def _is_full(client: redis.Redis) -> bool:
    """It answers, and takes no message any more."""
    try:
        memory = client.info("memory")
    except redis.ResponseError:  # one that we may not ask
        return False
    limit = int(memory.get("maxmemory", 0))
    evicts = memory.get("maxmemory_policy") != "noeviction"
    return not evicts and 0 < limit <= int(memory["used_memory"])
