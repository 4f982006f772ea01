"""What may be typed after `bin/patchwave`."""

import argparse
import contextlib
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

from webapp.cli import commands
from webapp.words import _


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="patchwave",
        description=_("Roll game-server updates across a fleet over SSH."),
        epilog=_(
            "Exit status: 0 well, 1 the job ended otherwise or halted, 2 usage, 3 refused,"
            " 4 not reachable, 130 Ctrl-C (the job goes on)."
        ),
    )
    names = top.add_subparsers(required=True, metavar=_("COMMAND"))
    _start(names)
    _watch(names)
    _retry(names)
    _answer(names)
    _cancel(names)
    _pause(names)
    for name, help_ in {
        "resume": _("take a pause back"),
        "check": _("look at the hosts again, before the first batch"),
        "rollback": _("start a job that brings the hosts back to what they ran before"),
    }.items():
        command = _job(_command(names, name, commands.order, help_))
        command.set_defaults(order=name)
        _why(command)
    _promote(names)
    _switch(names)
    _skip(names)
    _exclude(names)
    _change(names)
    _hosts(names)
    _pagers(names)
    _local(names)
    _keep_safe(names)
    return top


def _start(names: Any) -> None:
    command = _command(names, "start", commands.start, _("start an update"))
    command.add_argument("game", metavar="GAME")
    command.add_argument("version", metavar="VERSION")
    hosts = command.add_mutually_exclusive_group(required=True)
    hosts.add_argument("--hosts", type=_list, metavar="A,B", help=_("these hosts"))
    hosts.add_argument(
        "--label",
        type=_pair,
        action="append",
        metavar="KEY=VALUE",
        help=_("the hosts with this label; given again: with all of them"),
    )
    hosts.add_argument("--all", action="store_true", help=_("every host of the game"))
    command.add_argument(
        "--var",
        type=_pair,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=_("set a var that the recipe asks for; may be given again"),
    )
    _rollout(command)
    command.add_argument(
        "--at",
        type=_moment,
        metavar="TIME",
        help=_("nothing starts, with --stage-ahead no host goes down, before: such as 04:00"),
    )
    command.add_argument("--note", default="", help=_("why, for those who read it later"))
    command.add_argument(
        "--force", action="store_true", help=_("also hosts that are at this version already")
    )
    command.add_argument(
        "--key",
        help=_("idempotency key: the same order with the same key starts one job, not two"),
    )
    command.add_argument(
        "--plan", action="store_true", help=_("only tell what would happen, start nothing")
    )
    command.add_argument(
        "--check", action="store_true", help=_("only look whether the hosts are fit for it")
    )
    command.add_argument("--watch", action="store_true", help=_("follow the job to its end"))
    _output(command)


def _rollout(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--preset", metavar="NAME", help=_("a rollout of the game by name, such as careful")
    )
    command.add_argument(
        "--canary",
        type=_canary,
        metavar="N|P%|A,B|KEY=VALUE",
        help=_("update these first, alone: how many, a share, which, or those with a label"),
    )
    command.add_argument(
        "--batch",
        type=_size,
        action="append",
        metavar="N|P%",
        help=_(
            "the next batch: N hosts, or up to P%% of all; last: repeat, double, *N or +N;"
            " without that the rest comes last"
        ),
    )
    _careful(command)
    command.add_argument(
        "--max-down",
        type=_limit,
        action="append",
        metavar="LABEL=N|P%",
        help=_("of the hosts with the same value of this label, at most so many down at a time"),
    )
    command.add_argument(
        "--per-machine",
        type=int,
        metavar="N",
        help=_("at most N of a machine down at a time"),
    )
    command.add_argument(
        "--preflight",
        action="store_true",
        default=None,
        help=_("look at every host before the first batch; pause where one is not fit"),
    )
    command.add_argument(
        "--on-halt",
        choices=("wait", "rollback"),
        help=_("what follows when too many failed: a person decides, or the job is rolled back"),
    )
    command.add_argument(
        "--stage-ahead",
        action="store_true",
        help=_(
            "all hosts do at once what comes before they go down; then they wait for the switch"
        ),
    )
    command.add_argument(
        "--order-by",
        metavar="LABEL",
        help=_("update hosts in the order of this label; =-LABEL: last first"),
    )
    command.add_argument(
        "--batch-by",
        metavar="LABEL",
        help=_("update one value of this label after the other, each in batches"),
    )


def _careful(command: argparse.ArgumentParser) -> None:
    """What may also be changed while a job runs."""
    command.add_argument(
        "--parallel", type=_size, metavar="N|P%", help=_("at most so many hosts at a time")
    )
    command.add_argument(
        "--stage-parallel",
        type=_size,
        metavar="N|P%",
        help=_("with --stage-ahead: at most so many stage at a time"),
    )
    command.add_argument(
        "--stagger", metavar="TIME", help=_("between the starts of two hosts, such as 10s")
    )
    command.add_argument(
        "--max-failed", type=_size, metavar="N|P%", help=_("halt when more hosts have failed")
    )
    command.add_argument(
        "--max-failed-in-batch",
        type=_size,
        metavar="N|P%",
        help=_("halt when more hosts of one batch have failed"),
    )
    command.add_argument(
        "--gate",
        type=_of_each,
        metavar="auto|manual",
        help=_("who opens the next batch; manual: you do; manual,auto: only the second one"),
    )
    command.add_argument(
        "--soak",
        type=_of_each,
        metavar="TIME",
        help=_("how long a batch must stay well, such as 5m; 1h,10m: the first, all others"),
    )


def _watch(names: Any) -> None:
    command = _job(_command(names, "watch", commands.watch, _("follow a job to its end")))
    command.add_argument(
        "--after", type=int, metavar="SEQ", help=_("only what came after this event")
    )
    _output(command)


def _retry(names: Any) -> None:
    command = _job(_command(names, "retry", commands.retry, _("go on with the hosts that failed")))
    command.add_argument("--hosts", type=_list, metavar="A,B", help=_("only these"))
    command.add_argument("--from-step", metavar="STEP", help=_("from this step on"))
    help_ = _("where the cause stands in an earlier step, from there on, as the pages do")
    command.add_argument("--back", action="store_true", help=help_)
    _why(command)


def _answer(names: Any) -> None:
    help_ = _("say what became of a step whose outcome is not known")
    command = _job(_command(names, "answer", commands.answer, help_))
    command.add_argument("hosts", type=_list, metavar="HOST[,HOST]")
    command.add_argument(
        "answer",
        choices=["it_ran", "it_did_not_run", "give_up"],
        help=_("go on with the next step; attempt it again; the host has failed"),
    )
    _why(command, _("how you know"))


def _cancel(names: Any) -> None:
    command = _job(_command(names, "cancel", commands.cancel, _("start nothing more, and end")))
    command.add_argument(
        "--undo",
        action=argparse.BooleanOptionalAction,
        help=_("take back what was done (so by default), or leave it as it is"),
    )
    command.add_argument(
        "--force", action="store_true", help=_("do not wait for steps that should not be stopped")
    )
    _why(command)


def _pause(names: Any) -> None:
    help_ = _("start nothing more until the job is resumed")
    command = _job(_command(names, "pause", commands.pause, help_))
    command.add_argument(
        "--after",
        choices=["batch", "host", "step"],
        help=_("let this batch end; the hosts that run (so by default); only the steps that run"),
    )
    _why(command)


def _promote(names: Any) -> None:
    help_ = _("open the gate after a batch that is done")
    command = _job(_command(names, "promote", commands.promote, help_))
    command.add_argument(
        "--batch", type=int, metavar="N", help=_("whose gate: given twice, it opens no other")
    )
    command.add_argument(
        "--rest", action="store_true", help=_("and let no later gate wait for a person")
    )
    _why(command)


def _switch(names: Any) -> None:
    help_ = _("let hosts that are staged go down, batch after batch")
    command = _job(_command(names, "switch", commands.switch, help_))
    command.add_argument(
        "--at", type=_moment, metavar="TIME", help=_("not before then, such as 04:00; else now")
    )
    _why(command)


def _skip(names: Any) -> None:
    help_ = _("leave out hosts that have not gone down")
    command = _job(_command(names, "skip", commands.skip, help_))
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--hosts", type=_list, metavar="A,B", help=_("only these"))
    which.add_argument("--rest", action="store_true", help=_("all that have not gone down"))
    _why(command)


def _exclude(names: Any) -> None:
    help_ = _(
        "go on without hosts that failed, are unknown or out of reach: they fail, no budget counts"
        " them, no retry of all takes them"
    )
    command = _job(_command(names, "exclude", commands.exclude, help_))
    command.add_argument("--hosts", type=_list, metavar="A,B", required=True, help=_("only these"))
    _why(command)


def _change(names: Any) -> None:
    help_ = _("go on with another width, budget, gate or soak")
    command = _job(_command(names, "change", commands.change, help_))
    _careful(command)
    _why(command)


def _hosts(names: Any) -> None:
    command = _command(names, "hosts", commands.hosts, _("list hosts, or how a job's hosts stand"))
    command.add_argument("--game", help=_("only this game's"))
    command.add_argument("--job", type=_number, help=_("as they stand in this job"))


def _pagers(names: Any) -> None:
    help_ = _("list where night calls go, add one, test one, remove one")
    command = _command(names, "pagers", commands.pagers, help_)
    what = command.add_mutually_exclusive_group()
    what.add_argument("--add", metavar="NAME", help=_("with --url, and --secret for a webhook"))
    what.add_argument("--test", metavar="NAME", help=_("send a test"))
    what.add_argument("--remove", metavar="NAME", help=_("tell it nothing more"))
    source = _("; env:VARIABLE or file:PATH, so that no list of processes shows it")
    command.add_argument("--url", metavar="SOURCE", help=_("its address") + source)
    command.add_argument("--secret", metavar="SOURCE", help=_("what signs a webhook") + source)
    command.add_argument("--game", help=_("only this game's; all games', if left out"))
    command.add_argument("--mine", action="store_true", help=_("only for me, of what I may see"))
    command.add_argument(
        "--when", type=_list, metavar="A,B", help=_("halted,waits,unknown,failed,cancelled,…")
    )
    command.add_argument("--language", metavar="CODE", help=_("en or zh-hans"))


def _local(names: Any) -> None:
    help_ = _("fill this machine's instance from a file")
    command = _command(names, "import", commands.import_file, help_)
    command.add_argument("file", metavar="FILE")
    command.add_argument(
        "--replace-host-keys",
        action="store_true",
        help=_("give up pinned host keys where the file has others"),
    )
    help_ = _("write all that this machine's instance is into one file")
    command = _command(names, "backup", commands.backup, help_)
    command.add_argument("file", metavar="FILE")
    help_ = _("put a backup in the place of this machine's instance, which must be stopped")
    command = _command(names, "restore", commands.restore, help_)
    command.add_argument("file", metavar="FILE")
    command.add_argument(
        "--replace", action="store_true", help=_("give up the hosts and jobs that are here")
    )
    command = _command(names, "token", commands.token, _("make an API token on this machine"))
    command.add_argument(
        "user", metavar="USER", help=_("made an administrator if there is none by that name")
    )
    command.add_argument("--name", metavar="TEXT", help=_("what it is for"))
    command.add_argument(
        "--scope",
        choices=("read", "operate", "maintain", "administer"),
        help=_("the most that it may; default: all that the user may"),
    )
    command.add_argument("--game", metavar="GAME", help=_("good in this game alone"))
    command.add_argument(
        "--days", type=int, metavar="N", help=_("good for so long; default: until it is revoked")
    )


def _keep_safe(names: Any) -> None:
    help_ = _("pin the host keys that a known_hosts file, or ssh-keyscan, gives")
    command = _command(names, "approve-keys", commands.approve_keys, help_)
    command.add_argument("file", metavar="FILE", help=_("- reads what is piped in"))
    command.add_argument("--game", help=_("only hosts of this game"))
    command.add_argument(
        "--replace", action="store_true", help=_("give up pinned keys where the list has others")
    )
    help_ = _("print the lines that the sudoers file of a host needs for its recipe")
    command = _command(names, "sudoers", commands.sudoers, help_)
    command.add_argument("host", metavar="HOST")
    help_ = _("seal all secrets of this machine's instance with a new key, while it runs")
    _command(names, "rotate-keys", commands.rotate_keys, help_)
    help_ = _("follow the audit's chain, and name the first entry at which it is broken")
    command = _command(names, "audit-verify", commands.audit_verify, help_)
    command.add_argument("--head", metavar="FILE", help=_("a head that audit-head printed earlier"))
    command.add_argument(
        "--archive",
        action="append",
        default=[],
        metavar="FILE",
        help=_("what audit-archive wrote; given again, oldest first: all of it"),
    )
    help_ = _("print the audit's end, signed, to be kept on another machine")
    _command(names, "audit-head", commands.audit_head, help_)
    help_ = _("write old entries of the audit into a new file and remove them here")
    command = _command(names, "audit-archive", commands.audit_archive, help_)
    command.add_argument("file", metavar="FILE")
    command.add_argument(
        "--before", required=True, metavar="DATE", help=_("entries before it, such as 2026-01-31")
    )


def _command(
    names: Any, name: str, run: Callable[[argparse.Namespace], int], help_: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = names.add_parser(name, help=help_, description=help_)
    command.set_defaults(run=run)
    command.add_argument("--json", action="store_true", help=_("print the answer as JSON"))
    return command


def _job(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("job", type=_number, metavar="JOB", help=_("its number"))
    return command


def _why(command: argparse.ArgumentParser, help_: str = "") -> None:
    """Of every order: it stands in the job's activity and in the audit."""
    command.add_argument(
        "--note", default="", metavar="TEXT", help=help_ or _("why, for those who read it later")
    )


def _output(command: argparse.ArgumentParser) -> None:
    output = command.add_mutually_exclusive_group()
    output.add_argument(
        "--output", action="store_true", help=_("when following: also what the hosts print")
    )
    output.add_argument(
        "--output-of",
        type=_list,
        metavar="A,B",
        help=_("when following: also what these hosts print"),
    )


def _number(text: str) -> int:
    """``12``, or ``#12`` as pages write it."""
    with contextlib.suppress(ValueError):
        return int(text.removeprefix("#"))
    raise argparse.ArgumentTypeError(_("write a job's number, such as 12"))


def _list(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(_("write KEY=VALUE"))
    return key, value


def _size(text: str) -> int | str:
    """A number; all else is taken as it is, and checked as the order is."""
    return int(text) if text.isdecimal() else text


def _moment(text: str) -> str:
    """``04:00``: the next time it is that here. ``2026-01-31T04:00``: here, too, unless it says
    where."""
    now = datetime.now().astimezone()
    with contextlib.suppress(ValueError):
        at = datetime.combine(now.date(), time.fromisoformat(text))
        if at.astimezone() <= now:
            at += timedelta(days=1)
        return at.astimezone().isoformat()
    with contextlib.suppress(ValueError, OverflowError):
        return datetime.fromisoformat(text).astimezone().isoformat()
    raise argparse.ArgumentTypeError(_("write 04:00, or 2026-01-31T04:00"))


def _of_each(text: str) -> str | list[str]:
    """One for all batches, or one for each."""
    return _list(text) if "," in text else text


def _limit(text: str) -> tuple[str, int | str]:
    label, most = _pair(text)
    return label, _size(most)


def _canary(text: str) -> int | str | list[str] | dict[str, str]:
    if text.isdecimal():
        return int(text)
    if text.endswith("%"):
        return text
    return dict([_pair(text)]) if "=" in text else _list(text)
