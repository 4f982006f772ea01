"""Carries a call that is due: says it, by a small program with a time limit, or tries again later.

A worker that dies after the receiver has it and before that is written down has it told once
more, with the same id; one that dies before loses nothing.
"""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.conf import settings
from django.db.models import F
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from deploy_tasks import clock
from deploy_tasks.errors import HostFailed
from deploy_tasks.masking import Mask
from deploy_tasks.models import Call, Job, Moment, Pager
from deploy_tasks.times import iso
from webapp import access, env, reports
from webapp.calls import outside, pagers, webhook
from webapp.calls.sentences import sentence
from webapp.shapes import JobReport

log = logging.getLogger(__name__)

#: Seconds that one try may take in all.
LIMIT = 30.0
#: A try that nobody has ended by then has died with its worker.
LEASE = timedelta(seconds=LIMIT + 15)
#: Seconds before the next try; the last one stands for all that follow.
DELAYS = (5, 20, 60, 180, 600, 1200, 1800)
#: Calls at a time of a worker: its threads are for host runs.
SEATS = threading.BoundedSemaphore(4)
#: Characters kept of what went wrong.
LONGEST = 300
#: What outside.py says, which knows no languages, told again where it is shown.
SAID_OUTSIDE = (
    gettext_noop("the receiver answered %s"),
    gettext_noop("the receiver answered %s (redirects are not followed)"),
    gettext_noop("%s is not a public address"),
    gettext_noop("the address wants a file of the worker"),
    gettext_noop("the address wants a program of the worker"),
    gettext_noop("apprise does not know this service, or its address lacks a part"),
    gettext_noop("the service did not take it"),
    gettext_noop("no answer within %d s"),
    gettext_noop("its name is not known"),
    gettext_noop("its certificate is not valid: %s"),
    gettext_noop("no TLS with the receiver"),
    gettext_noop("no proper answer (%s)"),
)


def tell(call_id: int) -> None:
    """Try a call, if it is due and nobody else does. Never raises for what went wrong outside."""
    if not SEATS.acquire(blocking=False):
        return  # it stays due, and is rung for again
    try:
        if call := _claim(call_id):
            _try(call)
    finally:
        SEATS.release()


def _claim(call_id: int) -> Call | None:
    now = clock.now()
    due = Call.objects.filter(pk=call_id, state=Call.State.WAITING, due_at__lte=now)
    if not due.update(due_at=now + LEASE, tries=F("tries") + 1):
        return None
    return Call.objects.get(pk=call_id)


def _try(call: Call) -> None:
    pager = Pager.objects.select_related("user").filter(pk=call.pager_id).first()
    if pager is None:
        call.delete()  # the pager was taken away at the very moment
        return
    job = _job(call)
    if job and pager.user and not access.may(pager.user, access.Right.SEE, job.game):
        _end(call, Call.State.MOOT)
        return
    with translation.override(pager.language):
        report = reports.job_as_told(job, ordering=False) if job else None
        told = sentence(call, job, report)
    if not told:
        _end(call, Call.State.MOOT)
        return
    if problem := _say(call, pager, told, report):
        _try_later(call, problem)
    else:
        _end(call, Call.State.TOLD)


def _job(call: Call) -> Job | None:
    return Job.objects.select_related("game", "release").filter(pk=call.job_id or 0).first()


def _end(call: Call, state: Call.State, error: str = "") -> None:
    waiting = Call.objects.filter(pk=call.pk, state=Call.State.WAITING)
    waiting.update(state=state, error=error, ended_at=clock.now())


def _try_later(call: Call, problem: str) -> None:
    log.warning("call %s to pager %s was not taken: %s", call.pk, call.pager_id, problem)
    if call.tries >= settings.CALL_TRIES or call.moment == Moment.TEST:
        _end(call, Call.State.FAILED, problem)
        return
    delay = DELAYS[min(call.tries, len(DELAYS)) - 1]
    due_at = clock.now() + timedelta(seconds=delay)
    waiting = Call.objects.filter(pk=call.pk, state=Call.State.WAITING)
    waiting.update(due_at=due_at, error=problem)


def _say(call: Call, pager: Pager, told: str, report: JobReport | None) -> str:
    """What went wrong, in words that hold nothing of the address; empty for nothing."""
    try:
        url, secret = pagers.open_address(pager)
    except HostFailed as locked:
        return str(locked)
    link = report["url"] if report else settings.SITE_ORIGIN
    order: dict[str, Any] = {"kind": pager.kind, "url": url, "allowed": settings.CALL_NETWORKS}
    if pager.kind == Pager.Kind.WEBHOOK:
        body = _body(call, told, link, report)
        signed = webhook.headers(body, call=call.pk, at=clock.now(), secret=secret)
        order |= {"body": body, "headers": signed}
    else:
        order |= {"title": "Patchwave", "text": f"{told}\n{link}"}
    return _masked(_go_out(order), url, secret)


def _body(call: Call, told: str, link: str, report: JobReport | None) -> str:
    return json.dumps(
        {
            "id": call.pk,
            "moment": call.moment,
            "at": iso(call.at),
            "sentence": told,
            "link": link,
            "job": report,
        },
        ensure_ascii=False,
    )


def _go_out(order: Mapping[str, Any]) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(Path(outside.__file__))],
            input=json.dumps(order).encode(),
            capture_output=True,
            timeout=LIMIT,
            env=env.for_calls(),
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _("no end within %(limit)d s") % {"limit": LIMIT}
    try:
        said: str = json.loads(done.stdout)["said"]
    except ValueError:
        # Its own mistake; the traceback may hold the address, so only its last line's kind is kept.
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return _("an error inside Patchwave: %s") % last.partition(":")[0]
    return said


def _masked(said: str, url: str, secret: str) -> str:
    parts = urlsplit(url)
    pieces = [parts.username or "", parts.password or "", *parts.path.split("/"), secret]
    pieces += [value for _name, value in parse_qsl(parts.query)]
    if parts.scheme not in ("http", "https"):
        pieces.append(parts.netloc)  # many services have a token in the host's place
        pieces.append(parts.hostname or "")
    mask = Mask([one for piece in pieces for one in {piece, unquote(piece)}])
    found = mask.pieces(said.encode(), last=True)
    return b"".join(piece.output for piece in found).decode("utf-8", "replace")[:LONGEST]
