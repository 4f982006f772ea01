"""Whom we believe about where a request came from."""

from typing import Any

import pytest

from webapp.proxies import networks, seen

OURS = networks("127.0.0.0/8, ::1, 10.0.0.0/8")


def scope(peer: str, *headers: tuple[str, str], kind: str = "http") -> dict[str, Any]:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return {"type": kind, "client": (peer, 4711), "headers": raw, "scheme": "http"}


def forwarded(peer: str, *hops: str) -> str:
    told = seen(scope(peer, *(("x-forwarded-for", hop) for hop in hops)), OURS)
    return str(told["client"][0])


@pytest.mark.parametrize(
    ("peer", "hops", "client"),
    [
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("::1", ["2001:db8::1"], "2001:db8::1"),
        # What a client wrote itself stands before what our proxy added.
        ("127.0.0.1", ["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["1.2.3.4", "203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["203.0.113.9, 10.0.0.7"], "203.0.113.9"),
        ("127.0.0.1", ["10.0.0.8, 10.0.0.7"], "10.0.0.8"),
        ("127.0.0.1", ["nonsense"], "127.0.0.1"),
        ("127.0.0.1", ["1.2.3.4, nonsense"], "127.0.0.1"),
        # Nobody else is believed.
        ("203.0.113.5", ["127.0.0.1"], "203.0.113.5"),
        ("192.168.1.1", ["203.0.113.9"], "192.168.1.1"),
    ],
)
def test_a_client_is_the_first_that_is_no_proxy_of_ours(
    peer: str, hops: list[str], client: str
) -> None:
    assert forwarded(peer, *hops) == client.removeprefix("::ffff:")


@pytest.mark.parametrize(
    ("peer", "values", "scheme"),
    [
        ("127.0.0.1", ["https"], "https"),
        ("127.0.0.1", ["https", "http"], "http"),
        ("127.0.0.1", ["https, http"], "http"),
        ("127.0.0.1", ["http"], "http"),
        ("203.0.113.5", ["https"], "http"),
    ],
)
def test_the_scheme_is_what_a_proxy_of_ours_says(peer: str, values: list[str], scheme: str) -> None:
    headers = [("x-forwarded-proto", value) for value in values]
    assert seen(scope(peer, *headers), OURS)["scheme"] == scheme


def test_a_socket_through_tls_is_wss() -> None:
    told = seen(scope("127.0.0.1", ("x-forwarded-proto", "https"), kind="websocket"), OURS)
    assert told["scheme"] == "wss"


@pytest.mark.parametrize("peer", ["127.0.0.1", "203.0.113.5"])
@pytest.mark.parametrize(
    "name",
    ["x-forwarded-for", "x-forwarded-host", "x_forwarded_for", "forwarded", "x-real-ip", "x_y"],
)
def test_s10_the_headers_themselves_go_no_further(peer: str, name: str) -> None:
    told = seen(scope(peer, (name, "6.6.6.6"), ("host", "x")), OURS)
    assert told["headers"] == [(b"host", b"x")]


def test_a_connection_without_an_address_is_left_alone() -> None:
    given = scope("x") | {"client": None}
    assert seen(given, OURS)["client"] is None


def test_networks_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        networks("127.0.0.1,everywhere")
