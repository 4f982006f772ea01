"""Talks to the API of one instance, over HTTP."""

import json
import time
from collections.abc import Callable
from typing import Any, Self

import httpx

from webapp.cli.statuses import NotReachable, Refused
from webapp.words import _

#: Seconds. A start with 5,000 hosts is answered within two.
TIMEOUT = httpx.Timeout(60.0, connect=5.0)
TRIES = 3
PAUSE = 1.0


class Client:
    """``renew`` makes another token where the one at hand is not known there any more."""

    def __init__(self, address: str, token: str, *, renew: Callable[[], str] | None = None) -> None:
        self.address, self.token = address, token
        self.is_local = httpx.URL(address).host in ("127.0.0.1", "localhost", "::1")
        self._renew = renew
        self._http = httpx.Client(
            base_url=f"{address}/api/v1",
            timeout=TIMEOUT,
            # A proxy is for the world outside, and would not find this machine's loopback.
            trust_env=not self.is_local,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> httpx.Response:
        given = {name: value for name, value in params.items() if value is not None}
        return self._ask("GET", path, params=given)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        """With an idempotency ``key`` the order may be sent again where its answer was lost."""
        headers = {"Idempotency-Key": key} if key else {}
        tries = TRIES if key else 1
        return self._ask("POST", path, json=body, headers=headers, tries=tries)

    def delete(self, path: str) -> httpx.Response:
        return self._ask("DELETE", path)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        tries: int = 1,
        **given: Any,
    ) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            answer = self._http.request(method, path, headers=bearer | (headers or {}), **given)
        except httpx.ConnectError:
            raise NotReachable(_("Nothing answers at %s.") % self.address) from None
        except httpx.TransportError as error:
            if tries > 1:
                time.sleep(PAUSE)
                return self._ask(method, path, headers=headers, tries=tries - 1, **given)
            raise NotReachable(
                _("No answer from %(address)s: %(why)s")
                % {"address": self.address, "why": _why(error)}
            ) from None
        if answer.status_code == httpx.codes.UNAUTHORIZED and self._renew:
            self.token, self._renew = self._renew(), None
            return self._ask(method, path, headers=headers, tries=tries, **given)
        return _good(answer)


def _good(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    if answer.is_server_error:
        # What stands between may answer as well, with a page.
        is_ours = answer.headers.get("Content-Type", "").startswith("application/json")
        why = _said(answer) if is_ours else _("it answers %s.") % answer.status_code
        raise NotReachable(
            _("%(host)s does not work now: %(why)s") % {"host": answer.url.host, "why": why}
        )
    raise Refused(_said(answer), answer.text)


def _said(answer: httpx.Response) -> str:
    """What the API gives as its reason, or what came instead of an API's answer."""
    try:
        error = answer.json()["error"]
        message, field = error["message"], error.get("field")
    except (json.JSONDecodeError, KeyError, TypeError):
        told = {"url": answer.url, "status": answer.status_code}
        return _("%(url)s is no Patchwave: it answers %(status)s.") % told
    return f"{field}: {message}" if field else str(message)


def _why(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__
