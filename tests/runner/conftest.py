"""What these tests share."""

from tests.runner.world import game, workers

__all__ = ["game", "workers"]
