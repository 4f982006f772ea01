"""Who a request is from and how it came, where a proxy of ours passed it on.

The one reader of ``X-Forwarded-For`` and ``X-Forwarded-Proto``: what it finds stands in the
connection's own address and scheme, which everybody else asks (log-in, audit, cookies, origins).
Whoever is no proxy of ours is not believed, and the headers go no further.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.http import HttpRequest

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

FORWARDED = (b"x-forwarded-", b"forwarded", b"x-real-ip")
SECURE = {"http": "https", "websocket": "wss"}


def networks(text: str) -> list[Network]:
    """Of ``10.0.0.0/8,::1``. Raises ValueError."""
    return [ip_network(part.strip()) for part in text.split(",") if part.strip()]


def address_of(request: "HttpRequest") -> str:
    """For those who would look for it in headers themselves."""
    return str(request.META.get("REMOTE_ADDR", ""))


def seen(scope: dict[str, Any], trusted: Sequence[Network]) -> dict[str, Any]:
    """The scope as it would be had the client come to us itself."""
    headers = scope["headers"]
    # An underscore would make one header pass for another further on.
    kept = [
        (name, value)
        for name, value in headers
        if b"_" not in name and not name.lower().startswith(FORWARDED)
    ]
    told: dict[str, Any] = {"headers": kept}
    peer = _address((scope.get("client") or ("",))[0])
    if peer and _is_one_of(peer, trusted):
        client = _client(peer, _values(headers, b"x-forwarded-for"), trusted)
        told["client"] = (str(client), 0 if client != peer else scope["client"][1])
        if _values(headers, b"x-forwarded-proto")[-1:] == ["https"]:
            told["scheme"] = SECURE[scope["type"]]
    return scope | told


def _client(peer: Address, hops: Sequence[str], trusted: Sequence[Network]) -> Address:
    """From the nearest on: each proxy of ours tells who came to it, until one is no proxy."""
    client = peer
    for hop in reversed(hops):
        said = _address(hop)
        if said is None:
            break
        client = said
        if not _is_one_of(client, trusted):
            break
    return client


def _values(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    lines = [value.decode("latin1") for name, value in headers if name.lower() == wanted]
    return [part.strip() for line in lines for part in line.split(",") if part.strip()]


def _address(text: str) -> Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found


def _is_one_of(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)
