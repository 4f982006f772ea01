"""What the bodies of all calls have in common, and which refusals every call may answer with."""

from pydantic import BaseModel, ConfigDict

#: The statuses that carry an error; OpenAPI lists them for every call.
REFUSALS = frozenset({400, 401, 403, 404, 409, 422})


class Body(BaseModel):
    """A key that nobody knows is refused: a misspelt option must not be passed over."""

    model_config = ConfigDict(extra="forbid")
