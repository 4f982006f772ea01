"""What the bodies of all calls have in common, and which refusals every call may answer with."""

from typing import Annotated, Any

import ninja
from pydantic import BaseModel, ConfigDict, WithJsonSchema

from deploy_tasks.inventory.schema import GameEntry, HostEntry

#: The statuses that carry an error; OpenAPI lists them for every call.
REFUSALS = frozenset({400, 401, 403, 404, 409, 422, 429})


class Body(BaseModel):
    """A key that nobody knows is refused: a misspelt option must not be passed over."""

    model_config = ConfigDict(extra="forbid")


# Entries of the inventory file: read by the import itself, so that its words are the same here.
Entry = dict[str, Any]
HostBody = Annotated[Entry, WithJsonSchema(HostEntry.model_json_schema()), ninja.Body()]
HostChange = Annotated[Entry, WithJsonSchema({"type": "object"}), ninja.Body()]
GameBody = Annotated[Entry, WithJsonSchema(GameEntry.model_json_schema()), ninja.Body()]
