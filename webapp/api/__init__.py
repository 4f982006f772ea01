"""The HTTP API, version 1: what people, scripts and `bin/patchwave` order and ask."""

from ninja import NinjaAPI

from webapp import converters
from webapp.api import calls, chapters, hosts, inventory, jobs, missing, orders, output, story
from webapp.api.auth import Session, Token
from webapp.api.errors import answer_errors
from webapp.api.parser import StrictParser

__all__ = ["api", "converters"]

api = NinjaAPI(
    title="Patchwave",
    version="1",
    description="Rolls game-server updates across a fleet over SSH.",
    urls_namespace="api",
    auth=[Token(), Session()],
    parser=StrictParser(),
)
api.add_router("/jobs", jobs.router)
api.add_router("/jobs", story.router)
api.add_router("/jobs", orders.router)
api.add_router("/jobs", output.router)
api.add_router("/jobs", chapters.router)
api.add_router("/hosts", hosts.router)
api.add_router("/games", inventory.games)
api.add_router("/releases", inventory.releases)
api.add_router("", calls.router)
api.add_router("", missing.router)  # last: it takes every path that is left
answer_errors(api)
