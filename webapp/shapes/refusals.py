"""What is answered where a call is refused."""

from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic cannot read typing's before Python 3.12


class ErrorReport(TypedDict):
    """``field`` is a path such as ``hosts[3]``; some codes add more, as ``hosts`` of hosts_busy."""

    code: str
    message: str
    field: NotRequired[str]
    errors: NotRequired[list[dict[str, str]]]
    hosts: NotRequired[list[dict[str, Any]]]


class Refusal(TypedDict):
    error: ErrorReport
