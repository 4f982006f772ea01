"""What each command does; gives its exit status."""

import argparse
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from webapp.cli import following, local
from webapp.cli.client import Client
from webapp.cli.plain import plain
from webapp.cli.statuses import Refused, Status
from webapp.cli.tables import plan_lines, preflight_lines, table
from webapp.env import variable
from webapp.words import _

#: Seconds that workers are given to look at the hosts of an order.
CHECKED_WITHIN = 600.0


def start(given: argparse.Namespace) -> int:
    order = _job_order(given)
    with local.client() as client:
        if given.plan:
            return _tell(client.post("/jobs/plan", order), given, plan_lines)
        if given.check:
            return _check(client, order, given)
        # Ours, if none is given: an order whose answer was lost can then be sent again.
        answer = client.post("/jobs", order, key=given.key or uuid.uuid4().hex)
        _tell(answer, given, _job_lines)
        if not given.watch:
            return Status.WELL
        return following.follow(client, answer.json()["id"], given)


def _check(client: Client, order: dict[str, Any], given: argparse.Namespace) -> int:
    answer = client.post("/jobs/preflight?again=1", order)
    until = time.monotonic() + CHECKED_WITHIN
    while answer.json()["pending"] and time.monotonic() < until:
        time.sleep(1)
        answer = client.post("/jobs/preflight", order)
    _tell(answer, given, preflight_lines)
    found = answer.json()
    return Status.NOT_WELL if found["unfit"] or found["pending"] else Status.WELL


def watch(given: argparse.Namespace) -> int:
    with local.client() as client:
        return following.follow(client, given.job, given, after=given.after)


def retry(given: argparse.Namespace) -> int:
    body = {"hosts": given.hosts, "from_step": given.from_step, "back": given.back}
    return _order(given, "retry", body)


def cancel(given: argparse.Namespace) -> int:
    return _order(given, "cancel", {"undo": given.undo, "force": given.force})


def pause(given: argparse.Namespace) -> int:
    return _order(given, "pause", {"after": given.after})


def promote(given: argparse.Namespace) -> int:
    return _order(given, "promote", {"batch": given.batch, "rest": given.rest})


def switch(given: argparse.Namespace) -> int:
    return _order(given, "switch", {"at": given.at})


def skip(given: argparse.Namespace) -> int:
    return _order(given, "skip", {"hosts": given.hosts, "rest": given.rest})


def exclude(given: argparse.Namespace) -> int:
    return _order(given, "exclude", {"hosts": given.hosts})


def change(given: argparse.Namespace) -> int:
    return _order(given, "change", _careful(given))


def order(given: argparse.Namespace) -> int:
    """Resume, roll back: what takes no more than the job."""
    return _order(given, given.order, {})


def answer(given: argparse.Namespace) -> int:
    return _order(given, "answer", {"hosts": given.hosts, "answer": given.answer})


def hosts(given: argparse.Namespace) -> int:
    with local.client() as client:
        if given.job is None:
            return _tell(client.get("/hosts", game=given.game), given, _host_lines)
        return _tell(client.get(f"/jobs/{given.job}/hosts"), given, _host_run_lines)


def pagers(given: argparse.Namespace) -> int:
    with local.client() as client:
        if given.add:
            body = {
                "name": given.add,
                "url": _from_source(given.url),
                "secret": _from_source(given.secret),
                "game": given.game,
                "mine": given.mine,
                "moments": given.when,
                "language": given.language,
            }
            sent = {key: value for key, value in body.items() if value}
            return _tell(client.post("/pagers", sent), given, _pager_lines)
        if given.test:
            path = f"/pagers/{quote(given.test, safe='')}/test"
            return _tell(client.post(path, None), given, _pager_lines)
        if given.remove:
            client.delete(f"/pagers/{quote(given.remove, safe='')}")
            return Status.WELL
        return _tell(client.get("/pagers"), given, _pager_list_lines)


def import_file(given: argparse.Namespace) -> int:
    more = ["--replace-host-keys"] if given.replace_host_keys else []
    return local.manage("import_inventory", given.file, *more, *_json(given))


def backup(given: argparse.Namespace) -> int:
    return local.manage("backup", given.file, *_json(given))


def restore(given: argparse.Namespace) -> int:
    more = ["--replace"] if given.replace else []
    return local.manage("restore", given.file, *more, *_json(given))


def approve_keys(given: argparse.Namespace) -> int:
    try:
        text = sys.stdin.read() if given.file == "-" else Path(given.file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{given.file}: {error}") from None
    body: dict[str, Any] = {"known_hosts": text, "replace": given.replace}
    if given.game:
        body["game"] = given.game
    with local.client() as client:
        answer = client.post("/hosts/approve-keys", body)
    _tell(answer, given, _approval_lines)
    return Status.NOT_WELL if answer.json()["refused"] else Status.WELL


def sudoers(given: argparse.Namespace) -> int:
    return local.manage("sudoers", given.host)


def rotate_keys(given: argparse.Namespace) -> int:
    return local.manage("rotate_keys", *_json(given))


def audit_verify(given: argparse.Namespace) -> int:
    kept = ["--head", given.head] if given.head else []
    archives = [word for file in given.archive for word in ("--archive", file)]
    return local.manage("audit_verify", *kept, *archives, *_json(given))


def audit_head(given: argparse.Namespace) -> int:
    return local.manage("audit_head")


def audit_archive(given: argparse.Namespace) -> int:
    return local.manage("audit_archive", given.file, "--before", given.before, *_json(given))


def token(given: argparse.Namespace) -> int:
    chosen = {"name": given.name, "scope": given.scope, "game": given.game, "days": given.days}
    options = [f"--{option}={value}" for option, value in chosen.items() if value is not None]
    return local.manage("token", given.user, *options, *_json(given))


def _json(given: argparse.Namespace) -> list[str]:
    return ["--json"] if given.json else []


def _job_order(given: argparse.Namespace) -> dict[str, Any]:
    rollout = {
        "canary": given.canary,
        "batches": given.batch,
        "preflight": given.preflight,
        "on_halt": given.on_halt,
        "stage": "ahead" if given.stage_ahead else None,
        "order_by": given.order_by,
        "batch_by": given.batch_by,
        "max_down": dict(given.max_down) if given.max_down else None,
        "per_machine": given.per_machine,
    }
    by_hand = _given(rollout) | _careful(given)
    order = {
        "game": given.game,
        "version": given.version,
        "hosts": given.hosts,
        "labels": dict(given.label) if given.label else None,
        "all": given.all,
        "vars": dict(given.var),
        "rollout": by_hand,
        "preset": given.preset,
        "note": given.note,
        "force": given.force,
        "start_at": given.at,
    }
    return {key: value for key, value in order.items() if value not in (None, False, "", {})}


def _careful(given: argparse.Namespace) -> dict[str, Any]:
    budgets = ("max_failed", "max_failed_in_batch")
    names = ("parallel", "stage_parallel", "stagger", *budgets, "gate", "soak")
    return _given({name: getattr(given, name) for name in names})


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _order(given: argparse.Namespace, name: str, body: dict[str, Any]) -> int:
    """What was not said is left out."""
    sent = _given({**body, "note": given.note or None})
    with local.client() as client:
        return _tell(client.post(f"/jobs/{given.job}/{name}", sent or None), given, _job_lines)


def _tell(answer: httpx.Response, given: argparse.Namespace, lines: Any) -> int:
    if given.json:
        print(answer.text, flush=True)
        return Status.WELL
    for line in lines(answer.json()):
        print(plain(line))
    sys.stdout.flush()
    return Status.WELL


def _job_lines(job: dict[str, Any]) -> list[str]:
    return [
        f"#{job['id']} {job['game']} {job['version']} ({job['state']}): {job['verdict']}",
        job["url"],
    ]


def _approval_lines(done: dict[str, Any]) -> list[str]:
    told = {
        _("approved"): done["approved"],
        _("pinned already"): done["unchanged"],
        _("revoked, pinned no more"): done["revoked"],
        _("known by the certificates of a host CA"): done["vouched"],
        _("not in the list"): done["unnamed"],
    }
    lines = [f"{what} ({len(names)}): {' '.join(names)}" for what, names in told.items() if names]
    for rule in done["rules"]:
        what = _("host CA") if rule["kind"] == "authority" else _("revoked")
        lines.append(f"{rule['game']}: {what} {rule['fingerprint']} ({rule['names']})")
    if done["skipped"]:
        what = _("lines with keys of types that are not supported")
        lines.append(f"{what}: {' '.join(map(str, done['skipped']))}")
    return [*lines, *(f"{one['host']}: {one['message']}" for one in done["refused"])]


def _host_lines(answer: dict[str, Any]) -> list[str]:
    head = [_("HOST"), _("GAME"), _("ADDRESS"), _("KEY"), _("JOB")]
    return table(head, [_host_row(host) for host in answer["hosts"]])


def _host_row(host: dict[str, Any]) -> list[str]:
    pinned = any(key["approved_at"] for key in host["keys"])
    return [
        host["name"],
        host["game"],
        f"{host['user']}@{host['address']}:{host['port']}",
        _("pinned") if pinned else _("to approve"),
        f"#{host['job']}" if host["job"] else "",
    ]


def _host_run_lines(answer: dict[str, Any]) -> list[str]:
    head = [_("HOST"), _("BATCH"), _("STATE"), _("STEP"), _("VERSION"), _("WHY")]
    rows = [
        [
            run["name"],
            str(run["batch"]),
            run["state"],
            run["step"] or "",
            run["version"] or "",
            run["error"] or run["reason"] or (_("unreachable") if _is_away(run) else ""),
        ]
        for run in answer["hosts"]
    ]
    return table(head, rows)


def _from_source(source: str | None) -> str:
    """What ``env:NAME`` or ``file:PATH`` holds: a secret has no place among the arguments."""
    if source is None:
        return ""
    kind, _colon, name = source.partition(":")
    found = variable(name) if kind == "env" else None
    if kind == "file":
        with suppress(OSError, ValueError):
            found = Path(name).read_text()
    if not (found and found.strip()):
        raise Refused(
            _("%(source)s cannot be read: write env:VARIABLE or file:PATH") % {"source": source}
        )
    return found.strip()


def _pager_list_lines(answer: dict[str, Any]) -> list[str]:
    head = [_("PAGER"), _("KIND"), _("ADDRESS"), _("GAME"), _("LAST CALL"), _("WHY")]
    return table(head, [_pager_row(pager) for pager in answer["pagers"]])


def _pager_lines(pager: dict[str, Any]) -> list[str]:
    return ["  ".join(filter(None, _pager_row(pager)))]


def _pager_row(pager: dict[str, Any]) -> list[str]:
    last = pager["last"] or {"state": "", "error": ""}
    game = pager["game"] or _("all games")
    return [pager["name"], pager["kind"], pager["shown"], game, last["state"], last["error"]]


def _is_away(run: dict[str, Any]) -> bool:
    return bool(run["link"] == "unreachable")
