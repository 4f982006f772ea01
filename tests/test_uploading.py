"""What is known of a host whose link breaks while it is brought the artifact."""

import hashlib
from pathlib import Path
from typing import cast

import pytest
from django.conf import LazySettings

from deploy_tasks import artifacts, ssh
from deploy_tasks.commands import Artifact
from deploy_tasks.errors import LinkLost
from deploy_tasks.models import Attempt
from deploy_tasks.runner.uploading import BLOCK, Upload


class BreakingChannel:
    """Takes so many blocks, and breaks with the next."""

    ended = False

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.taken: list[bytes] = []

    def write(self, data: bytes, *, timeout: float) -> None:
        assert timeout > 0
        self.taken.append(data)
        if len(self.taken) > self.takes:
            raise LinkLost("it broke")


@pytest.mark.parametrize(("takes", "left"), [(0, 2 * BLOCK), (1, BLOCK), (2, 0)])
def test_a_host_may_have_what_was_on_its_way_as_the_link_broke(
    takes: int, left: int, settings: LazySettings, tmp_path: Path
) -> None:
    settings.ARTIFACTS = tmp_path / "artifacts"
    build = tmp_path / "build"
    build.write_bytes(bytes(3 * BLOCK))
    sha256, size = artifacts.add(build)
    assert sha256 == hashlib.sha256(build.read_bytes()).hexdigest()
    upload = Upload(Artifact(sha256, size), Attempt(), limit=60)
    assert upload.left == size
    channel = BreakingChannel(takes)
    with pytest.raises(LinkLost):
        upload.send(cast(ssh.Channel, channel), goes_on=lambda: True)
    assert upload.left == left
