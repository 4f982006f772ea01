import logging

import pytest

from webapp import logs


@pytest.fixture
def receiver() -> logging.Logger:
    """Of the channel layer, as the settings have made it."""
    logger = logging.getLogger("channels_redis.pubsub")
    assert logger.filters
    for seldom in logger.filters:
        assert isinstance(seldom, logs.Seldom)
        seldom._told = float("-inf")
    return logger


def complain(logger: logging.Logger) -> None:
    try:
        raise ConnectionError("no such socket")
    except ConnectionError:
        logger.exception("Unexpected exception in receive task")


def test_a_valkey_that_is_away_is_told_in_one_line_a_minute(
    receiver: logging.Logger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    complain(receiver)
    complain(receiver)
    assert caplog.messages == ["Unexpected exception in receive task: no such socket"]
    assert "Traceback" not in caplog.text
    monkeypatch.setattr(logs, "EVERY", 0)
    complain(receiver)
    assert len(caplog.messages) == 2
