"""Every refusal of the API has one shape: ``{"error": {"code", "message", "field"?}}``."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from deploy_tasks.errors import InvalidInput, InvalidInputs, KeyReused, OrderRefused
from deploy_tasks.findings import said
from deploy_tasks.yamlfile import field_of
from webapp.api.auth import CsrfMissing
from webapp.tokens import TooManyGuesses

log = logging.getLogger(__name__)


def answer_errors(api: NinjaAPI) -> None:
    """Teach the API to say what went wrong. What is not listed here is our own mistake: a 500."""
    for error, answer in ANSWERS.items():
        api.add_exception_handler(error, partial(_answer, answer=answer))


def refusal(status: int, code: str, message: str, **more: Any) -> HttpResponse:
    return JsonResponse({"error": {"code": code, "message": message, **more}}, status=status)


def _answer(request: HttpRequest, error: Any, *, answer: Callable[[Any], HttpResponse]) -> Any:
    return answer(error)


def _unreadable(error: HttpError) -> HttpResponse:
    if error.status_code != 400:
        return refusal(error.status_code, "refused", error.message)
    return refusal(400, "not_json", _("The body is not JSON that can be read."))


def _too_much(error: SuspiciousOperation) -> HttpResponse:
    return refusal(400, "bad_request", _("This request cannot be read: %s") % error)


def _not_logged_in(error: AuthenticationError) -> HttpResponse:
    message = _("Log in, or send a token: Authorization: Bearer …")
    answer = refusal(401, "not_logged_in", message)
    answer["WWW-Authenticate"] = "Bearer"
    return answer


def _slow_down(error: TooManyGuesses) -> HttpResponse:
    message = _("Too many wrong tokens came from your address; try again in a minute.")
    answer = refusal(429, "slow_down", message)
    answer["Retry-After"] = "60"
    return answer


def _no_csrf_token(error: CsrfMissing) -> HttpResponse:
    return refusal(403, "csrf_missing", str(error))


def _not_allowed(error: PermissionDenied) -> HttpResponse:
    return refusal(403, "not_allowed", str(error) or _("Your role does not allow this."))


def _not_there(error: Http404) -> HttpResponse:
    return refusal(404, "not_found", _("There is no such thing here, or it is not yours to see."))


def _order_refused(error: OrderRefused) -> HttpResponse:
    return refusal(409, error.code, error.message, **error.details)


def _key_reused(error: KeyReused) -> HttpResponse:
    message = str(error) or _("This key came before, with another order.")
    return refusal(422, "key_reused", message, field="Idempotency-Key")


def _invalid(error: InvalidInput) -> HttpResponse:
    return _invalid_fields([(error.field or "", error.message)])


def _invalid_inputs(error: InvalidInputs) -> HttpResponse:
    return _invalid_fields([(finding.field or "", finding.message) for finding in error.findings])


def _invalid_shape(error: ValidationError) -> HttpResponse:
    return _invalid_fields([(_place(found["loc"]), _words(found)) for found in error.errors])


def _invalid_fields(findings: list[tuple[str, str]]) -> HttpResponse:
    """The first finding; ``errors`` has all of them where there are several."""
    field, message = findings[0]
    more: dict[str, Any] = {"field": field} if field else {}
    if len(findings) > 1:
        more["errors"] = [{"field": field, "message": message} for field, message in findings]
    return refusal(422, "invalid", message, **more)


def _place(loc: tuple[str | int, ...]) -> str:
    """Without where it came from, and without the name that the body has in our code."""
    source, *path = loc
    return field_of(tuple(path[1:] if source == "body" else path)) or ""


def _words(found: Mapping[str, Any]) -> str:
    match found["type"]:
        case "missing":
            return _("is missing")
        case "extra_forbidden":
            return _("there is no such key")
    return said(found)


def _database_away(error: DatabaseError) -> HttpResponse:
    log.error("the database does not do what it is asked: %s", error)
    message = _("The database is away, or its disk is full; /readyz and the log tell more.")
    return refusal(503, "database_away", message)


ANSWERS: dict[type[Exception], Callable[[Any], HttpResponse]] = {
    HttpError: _unreadable,
    SuspiciousOperation: _too_much,
    AuthenticationError: _not_logged_in,
    TooManyGuesses: _slow_down,
    PermissionDenied: _not_allowed,
    CsrfMissing: _no_csrf_token,
    Http404: _not_there,
    OrderRefused: _order_refused,
    KeyReused: _key_reused,
    InvalidInput: _invalid,
    InvalidInputs: _invalid_inputs,
    ValidationError: _invalid_shape,
    OperationalError: _database_away,
    InterfaceError: _database_away,
    InternalError: _database_away,
}
