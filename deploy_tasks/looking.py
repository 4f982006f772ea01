"""Looks at a host outside of any job: could a job run on it? Changes nothing there."""

import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deploy_tasks import commands, recipes, ssh
from deploy_tasks.errors import HostFailed, InvalidInput, LinkLost
from deploy_tasks.models import Host, HostCheck, HostKey
from deploy_tasks.runner import target

log = logging.getLogger(__name__)

Part = HostCheck.Part
Result = HostCheck.Result

#: Seconds. Of the one question that is asked on the host.
ASK_LIMIT = 20.0
#: Seconds between two writes of what was found so far.
TELL_EVERY = 1.0
#: Bytes free that a host should have, beside twice the newest artifact.
LEAST_FREE = 200 * 1024 * 1024
#: Seconds that a host's clock may be off.
CLOCK_OFF = 5.0


def look_at(host: Host) -> None:
    """Find out, and keep what was found in the host's `HostCheck`."""
    now = timezone.now()
    check, _created = HostCheck.objects.update_or_create(
        host=host,
        defaults={"started_at": now},
        create_defaults={"started_at": now, "asked_at": now},
    )
    items: list[dict[str, str]] = []
    told = time.monotonic()
    for part, result, says in _Look(host).parts():
        items.append({"part": part, "result": result, "says": says})
        if time.monotonic() - told > TELL_EVERY:
            HostCheck.objects.filter(pk=check.pk).update(items=items)
            told = time.monotonic()
    HostCheck.objects.filter(pk=check.pk).update(items=items, ended_at=timezone.now())


class _Problem(HostFailed):
    """A part that is not well; the parts after it can be looked at all the same."""


class _Look:
    def __init__(self, host: Host) -> None:
        self._host = host
        self._session: ssh.Session | None = None

    def parts(self) -> Iterator[tuple[Part, Result, str]]:
        """In their order; once the way to the host ends, the rest is skipped."""
        ways = {
            Part.REACHABLE: self._reach,
            Part.KEY: self._compare_key,
            Part.LOGIN: self._log_in,
            Part.SHELL: self._ask_shell,
            Part.DISK: self._disk,
            Part.CLOCK: self._clock,
        }
        ended = False
        try:
            for part, look in ways.items():
                if ended:
                    yield part, Result.SKIPPED, ""
                    continue
                try:
                    yield part, Result.OK, look()
                except (HostFailed, LinkLost, TimeoutError) as problem:
                    ended = not isinstance(problem, _Problem)
                    yield part, Result.PROBLEM, str(problem)
        finally:
            if self._session:
                self._session.close()

    def _reach(self) -> str:
        self._target = target.of_host(self._host)
        address, port = self._target.address, self._target.port
        self._shown = ssh.offered_keys(address, port, via=self._target.via)
        for key in self._shown:
            HostKey.objects.get_or_create(
                host=self._host, fingerprint=ssh.fingerprint(key), defaults={"key": key}
            )
        return _("SSH answers on %(address)s port %(port)s") % {"address": address, "port": port}

    def _compare_key(self) -> str:
        pinned = self._target.host_keys
        if not pinned:
            raise HostFailed(_("none is approved yet: compare the one that was offered"))
        if known := [key for key in self._shown if key in pinned]:
            return ssh.fingerprint(known[0])
        raise HostFailed(
            _("the host shows another key than the approved one: was it installed anew?")
        )

    def _log_in(self) -> str:
        self._session = ssh.connect(self._target)
        return _("as %(user)s with %(credential)s") % {
            "user": self._target.user,
            "credential": self._host.credential,
        }

    def _ask_shell(self) -> str:
        assert self._session
        program, mark = commands.look(self._paths())
        self._asked_at = time.time()
        result = self._session.run(program.command, stdin=program.stdin, timeout=ASK_LIMIT)
        self._took = time.time() - self._asked_at
        noise, found, answer = result.stdout.partition(mark)
        if not found or result.exit_status != 0:
            said = result.stderr.decode("utf-8", "replace").strip()[-200:]
            raise HostFailed(_("no sh that works there: %s") % (said or _("no answer")))
        self._found = _Found.read(answer.decode("utf-8", "replace"))
        if self._found.missing:
            raise _Problem(_("missing on the host: %s") % ", ".join(self._found.missing))
        if self._found.readonly:
            raise _Problem(_("the user may not write to %s") % self._found.readonly)
        if noise.strip():
            return _("sh with all that is needed; the log-in prints text, which does no harm")
        return _("sh with all that is needed")

    def _disk(self) -> str:
        free = self._found.free
        if not free:
            raise _Problem(_("the host does not say how much is free"))
        newest = self._host.game.releases.order_by("-pk").first()
        needed = LEAST_FREE + 2 * (newest.size if newest else 0)
        told = "; ".join(
            _("%(size)s free in %(path)s") % {"size": filesizeformat(size), "path": path}
            for path, size in free.items()
        )
        if min(free.values()) < needed:
            raise _Problem(
                _("%(told)s; a release needs about %(needed)s")
                % {"told": told, "needed": filesizeformat(needed)}
            )
        return told

    def _clock(self) -> str:
        if self._found.time is None:
            raise _Problem(_("the host does not say what time it is"))
        # Its seconds are whole, and were read somewhere on the way.
        ahead = self._found.time + 0.5 - (self._asked_at + self._took / 2)
        seconds = round(abs(ahead))
        if seconds <= 1:
            return _("right to the second")
        told = (
            ngettext("%(n)s second ahead", "%(n)s seconds ahead", seconds)
            if ahead > 0
            else ngettext("%(n)s second behind", "%(n)s seconds behind", seconds)
        ) % {"n": seconds}
        if seconds > CLOCK_OFF:
            raise _Problem(told)
        return told

    def _paths(self) -> list[str]:
        """Directories of this host that its game's recipe works in, as its vars name them."""
        game = self._host.game
        recipe = recipes.parse(game.recipe.newest().text, file=game.recipe.name)
        try:
            values = recipes.resolve(recipe, game=game.vars, host=self._host.vars, job={})
        except InvalidInput:
            return []  # the plan of a job says what is wrong with them
        names = [name for name, var in recipe.vars.items() if var.type == "path"]
        return [values.plain[name] for name in names if values.plain.get(name)]


@dataclass(frozen=True)
class _Found:
    """What look.sh printed. ``free``: directory -> bytes, one for each file system."""

    missing: list[str]
    readonly: str
    time: int | None
    free: dict[str, int]

    @classmethod
    def read(cls, text: str) -> "_Found":
        missing, readonly, at, free = [], "", None, {}
        systems, path = set(), ""
        for line in text.splitlines():
            word, _space, rest = line.partition(" ")
            if word == "missing":
                missing.append(rest)
            elif word == "readonly":
                readonly = rest
            elif word == "time" and rest.isdecimal():
                at = int(rest)
            elif word == "disk":
                path = rest
            elif (row := _DF.search(line)) and path:
                # The same file system again says nothing new.
                if line not in systems:
                    free[path] = int(row["free"]) * 1024
                systems.add(line)
        return cls(missing, readonly, at, free)


#: blocks, used, available, capacity; names before and after may have spaces.
_DF = re.compile(r"\s\d+\s+\d+\s+(?P<free>\d+)\s+(\d+%|-)\s")
