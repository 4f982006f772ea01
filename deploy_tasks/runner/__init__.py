"""Carries one host run: connects, launches or attaches to plans of steps, and follows them.

A worker may die at any instant in here. What was launched runs on; the next worker finds in the
rows how far the log was stored, and goes on there.
"""

from deploy_tasks.runner.passage import carry, claimable
from deploy_tasks.runner.story import LEASE, LONGEST_LEASE, Carriage

__all__ = ["LEASE", "LONGEST_LEASE", "Carriage", "carry", "claimable"]
