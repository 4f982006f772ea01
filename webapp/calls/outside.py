"""Goes out for one night call: a program of its own, so that it can be shut in and be ended.

It reads one JSON object from standard input and prints one: ``said`` is what went wrong, or
nothing. The addresses come from people who configure pagers, and whoever may name an address to a
server may name one that only the server reaches. So once everything is loaded, an audit hook that
cannot be taken off lets this process connect to public addresses and those it was allowed, and to
nothing else; lets it read no file but those of Python and of the system; and start no program.
What a name resolves to is looked at when it is connected to, not before. No redirect is followed.
"""

import http.client
import ipaddress
import json
import logging
import os
import socket
import ssl
import sys
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

#: Seconds of silence. The whole call has a limit as well, kept by whoever started us.
PATIENCE = 10
#: What may be read: Python, certificates, and how names are resolved.
READABLE = (
    *(f"{place}/" for place in {sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64"}),
    *("/etc/ssl/", "/etc/pki/", "/etc/ca-certificates/", "/etc/mime.types", "/etc/localtime"),
    *("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/services", "/dev/null"),
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Refused(Exception):
    """The guard did not let us; says why."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        refusals.append(why)


#: A library may catch the exception and tell a story of its own.
refusals: list[str] = []


def main() -> None:
    given = json.load(sys.stdin)
    ways = {"webhook": _post, "service": _notify}
    if given["kind"] == "service":
        import apprise  # noqa: F401  before the guard: to load it reads many files
    guard(networks(given["allowed"]))
    try:
        problem = ways[given["kind"]](given)
    except Refused as refusal:
        problem = str(refusal)
    except (OSError, http.client.HTTPException, ValueError) as error:
        problem = _in_words(error)
    json.dump({"said": problem and next(iter(refusals), problem)}, sys.stdout)


def networks(allowed: Iterable[str]) -> list[Network]:
    """Of networks (``10.0.0.0/8``), addresses, and names as they resolve now."""
    found: list[Network] = []
    for one in allowed:
        try:
            found.append(ipaddress.ip_network(one, strict=False))
        except ValueError:
            try:
                there = socket.getaddrinfo(one, None, type=socket.SOCK_STREAM)
            except OSError:
                continue
            found += [ipaddress.ip_network(str(entry[4][0]).split("%")[0]) for entry in there]
    return found


def may_reach(address: str, allowed: Iterable[Network]) -> bool:
    """Whether this process may connect to an address: public, or allowed by name."""
    there: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(
        address.partition("%")[0]
    )
    # An IPv4 address in IPv6 dress is what it is inside.
    if isinstance(there, ipaddress.IPv6Address):
        inside = there.ipv4_mapped or there.sixtofour
        if there in ipaddress.ip_network("64:ff9b::/96"):
            inside = ipaddress.IPv4Address(int(there) & 0xFFFFFFFF)
        there = inside or there
    if any(there in network for network in allowed):
        return True
    return there.is_global and not there.is_multicast


def guard(allowed: list[Network]) -> None:
    """From here on this process may do no more than a call needs."""

    def look(event: str, args: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            address = args[1]
            if address is None:
                return  # of a socket that was connected before
            host = address[0] if isinstance(address, tuple) else ""
            try:
                well = may_reach(host, allowed)
            except ValueError:
                well = False
            if not well:
                raise Refused(f"{host or 'a local socket'} is not a public address")
        elif event == "open" and not _may_open(args):
            raise Refused("the address wants a file of the worker")
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"):
            raise Refused("the address wants a program of the worker")

    sys.addaudithook(look)


def _may_open(args: tuple[Any, ...]) -> bool:
    path, _mode, flags = args
    if isinstance(path, int):
        return True
    if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
        return False
    return os.path.realpath(os.fsdecode(path)).startswith(READABLE)


def _post(given: Mapping[str, Any]) -> str:
    parts = urlsplit(given["url"])
    connection = (
        http.client.HTTPSConnection(
            parts.hostname or "",
            parts.port,
            timeout=PATIENCE,
            context=ssl.create_default_context(),
        )
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("POST", target, given["body"].encode(), given["headers"])
    status = connection.getresponse().status
    if 200 <= status < 300:
        return ""
    redirect = " (redirects are not followed)" if 300 <= status < 400 else ""
    return f"the receiver answered {status}{redirect}"


def _notify(given: Mapping[str, Any]) -> str:
    import apprise

    heard: list[str] = []
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    apprise.logger.addHandler(handler)
    apprise.logger.setLevel(logging.INFO)
    asset = apprise.AppriseAsset(
        app_id="Patchwave", app_desc="Patchwave", app_url="", http_redirects=False
    )
    service = apprise.Apprise.instantiate(given["url"], asset=asset)
    if service is None:
        return "apprise does not know this service, or its address lacks a part"
    service.redirects = False
    service.socket_connect_timeout = service.socket_read_timeout = PATIENCE
    told = service.notify(
        title=given["title"], body=given["text"], body_format=apprise.NotifyFormat.TEXT
    )
    return "" if told else (heard[-1] if heard else "the service did not take it")


def _in_words(error: Exception) -> str:
    match error:
        case TimeoutError():
            return f"no answer within {PATIENCE} s"
        case socket.gaierror():
            return "its name is not known"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not valid: {error.verify_message}"
        case ssl.SSLError():
            return "no TLS with the receiver"
        case OSError(strerror=str(words)) if words:
            return words
    return f"no proper answer ({type(error).__name__})"


if __name__ == "__main__":
    main()
