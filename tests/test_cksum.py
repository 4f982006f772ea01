"""Ours is the checksum that the hosts compute."""

import subprocess
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from deploy_tasks import cksum


@given(st.binary(max_size=600), st.lists(st.integers(0, 600)))
@example(b"", [])
@example(bytes(70_000), [])
@settings(max_examples=25, deadline=None)
def test_it_is_what_cksum_prints(data: bytes, cuts: list[int]) -> None:
    running = cksum.EMPTY
    for begin, end in pairwise([0, *sorted(cuts), max([len(data), *cuts])]):
        running = cksum.add(running, data[begin:end])
    said = subprocess.run(["cksum"], input=data, capture_output=True, check=True).stdout
    assert f"{cksum.total(running, len(data))} {len(data)}" == said.decode().strip()
