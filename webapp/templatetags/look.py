"""What templates need to show states, shares, times and spans."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from deploy_tasks.models import AuditEntry, Call, HostCheck, HostRun, Moment
from deploy_tasks.states import HOST_ENDED, HOST_RETRYABLE, HostRunState, Link
from deploy_tasks.times import iso
from webapp import failures
from webapp.failures import Why
from webapp.retelling import retold
from webapp.verdict import duration

register = template.Library()

#: From what is done to what is still to come: the order in every bar.
ORDER = (
    HostRunState.SUCCEEDED,
    HostRunState.SKIPPED,
    HostRunState.FAILED,
    HostRunState.ROLLED_BACK,
    HostRunState.CANCELLED,
    HostRunState.UNKNOWN,
    HostRunState.PAUSED,
    HostRunState.STAGED,
    HostRunState.RUNNING,
)

#: Characters of why a host failed.
WORDS = 160

CHECKED = {
    HostCheck.Result.OK: HostRunState.SUCCEEDED.value,
    HostCheck.Result.WARNING: HostRunState.UNKNOWN.value,
    HostCheck.Result.PROBLEM: HostRunState.FAILED.value,
    HostCheck.Result.SKIPPED: HostRunState.SKIPPED.value,
}

CALLED = {
    Call.State.WAITING: HostRunState.WAITING.value,
    Call.State.TOLD: HostRunState.SUCCEEDED.value,
    Call.State.FAILED: HostRunState.FAILED.value,
    Call.State.MOOT: HostRunState.SKIPPED.value,
}


@register.simple_tag
def bar(counts: Mapping[str, int]) -> SafeString:
    """Shares of a job's hosts by state. Widths are SVG attributes: the CSP forbids ``style=``."""
    total = sum(counts.values()) or 1
    done, parts = 0, []
    for state in ORDER:
        if count := counts.get(state, 0):
            x, width = f"{100 * done / total:.2f}%", f"{100 * count / total:.2f}%"
            parts.append((state.value, x, width))
            done += count
    rects = format_html_join("", '<rect class="{}" x="{}" width="{}" height="100%"/>', parts)
    return format_html('<svg class="bar" aria-hidden="true">{}</svg>', rects)


@register.filter
def when(at: datetime | str | None) -> SafeString:
    """A moment, or one as the reports tell it, in UTC; page.js turns it into the reader's time."""
    if not at:
        return SafeString("")
    moment = _moment(at)
    text = f"{moment:%Y-%m-%d %H:%M} UTC"
    return format_html('<time datetime="{}">{}</time>', iso(moment), text)


@register.filter
def told(text: str) -> str:
    """A sentence that a worker stored, in the reader's language."""
    return retold(text)


@register.filter
def why(run: HostRun, known: Mapping[int, Why]) -> str:
    """Why a host run stands as it does: what it printed of its failure, else what is said of it."""
    found = known.get(run.pk)
    if found is None or not found.printed:
        return Truncator(retold(run.error or run.reason)).chars(WORDS)
    told = format_html("<samp>{}</samp>", Truncator(found.words).chars(WORDS))
    return format_html(_("{cause} in “{step}”"), cause=told, step=found.found_in)


@register.filter
def changes(entry: AuditEntry) -> list[tuple[str, tuple[Any, Any]]]:
    """What was changed, by its name: what it was, and what it is."""
    before, after = entry.details.get("before", {}), entry.details.get("after", {})
    names = dict.fromkeys([*before, *after])
    return [(name, (before.get(name), after.get(name))) for name in names]


@register.filter
def took(begun: datetime | str | None, ended: datetime | str | None) -> str:
    return duration(_moment(ended) - _moment(begun)) if begun and ended else ""


@register.filter
def checked(item: Mapping[str, str]) -> str:
    """How a part of a look at a host shows as a square."""
    return CHECKED[HostCheck.Result(item["result"])]


@register.filter
def part_label(part: str) -> str:
    return str(HostCheck.Part(part).label)


@register.filter
def moment_label(moment: str) -> str:
    return str(Moment(moment).label)


@register.filter
def call_label(state: str) -> str:
    return str(Call.State(state).label)


@register.filter
def called(call: Mapping[str, str]) -> str:
    """How a night call shows as a square."""
    return CALLED[Call.State(call["state"])]


@register.filter
def shown(run: HostRun) -> str:
    """The state as a square shows it: trouble on the way to a host is no outcome."""
    if run.link == Link.UNREACHABLE and run.state not in HOST_ENDED:
        return Link.UNREACHABLE.value
    return run.state


@register.simple_tag
def order(**body: Any) -> SafeString:
    """What a button of press.js posts, as its attribute."""
    return format_html('data-body="{}"', json.dumps(body))


@register.simple_tag
def retry(run: HostRun, known: Mapping[int, Why]) -> SafeString:
    """The same of a retry of it: it begins with the step that is `again`, and so stands on it."""
    back = failures.back_to(run, known.get(run.pk))
    return order(hosts=[run.name], **({"from_step": back} if back else {}))


@register.filter
def retryable(run: HostRun) -> bool:
    return run.state in HOST_RETRYABLE


@register.filter
def again(run: HostRun, known: Mapping[int, Why]) -> str | None:
    """The step that a retry of it begins with: in which the cause stands, or that does not stand
    itself, if there is one."""
    return failures.back_to(run, known.get(run.pk)) or failures.again(run.job, run.step)


def _moment(at: datetime | str) -> datetime:
    return at if isinstance(at, datetime) else datetime.fromisoformat(at)
