"""Looks at a host outside of any job: could a job run on it? Changes nothing there."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deploy_tasks import commands, key_rules, query, recipes, revisions, ssh, sudo, truth
from deploy_tasks.errors import HostFailed, InvalidInput, LinkLost
from deploy_tasks.looking.found import Found
from deploy_tasks.masking import Mask
from deploy_tasks.models import Host, HostCheck, HostKey, Sighting
from deploy_tasks.runner import target
from deploy_tasks.visible import words

log = logging.getLogger(__name__)

Part = HostCheck.Part
Result = HostCheck.Result

Question = tuple[commands.Program, bytes]

#: Seconds. Of each question that is asked on the host.
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
    look = _Look(host)
    for part, result, says in look.parts():
        items.append({"part": part, "result": result, "says": says})
        if time.monotonic() - told > TELL_EVERY:
            HostCheck.objects.filter(pk=check.pk).update(items=items)
            told = time.monotonic()
    if look.seen:
        Sighting.objects.update_or_create(host=host, defaults=look.seen)
    HostCheck.objects.filter(pk=check.pk).update(items=items, ended_at=timezone.now())


class _Problem(HostFailed):
    """A part that is not well; the parts after it can be looked at all the same."""


class _Warning(HostFailed):
    """Worth a look, and in no job's way."""


class _NotTried(Exception):
    """A part needs what an earlier one did not find."""


class _Look:
    """``seen``: what the host said of itself, as columns of its `Sighting`; empty where it was
    not asked."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._recipe = revisions.recipe_of(host.game.recipe.newest())
        self._session: ssh.Session | None = None
        self._variables: commands.Variables | None = None
        self.seen: dict[str, Any] = {}

    def parts(self) -> Iterator[tuple[Part, Result, str]]:
        """In their order; once the way to the host ends, the rest is skipped."""
        ways = {
            Part.REACHABLE: self._reach,
            Part.KEY: self._compare_key,
            Part.LOGIN: self._log_in,
            Part.SHELL: self._ask_shell,
            Part.DISK: self._disk,
            Part.CLOCK: self._clock,
            Part.VARS: self._vars,
            Part.SUDO: self._sudo,
            Part.VERSION: self._version,
            Part.GAME: self._game,
        }
        ended = False
        try:
            for part, look in ways.items():
                if ended:
                    yield part, Result.SKIPPED, ""
                    continue
                try:
                    yield part, Result.OK, look()
                except _NotTried:
                    yield part, Result.SKIPPED, ""
                except _Warning as warning:
                    yield part, Result.WARNING, str(warning)
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
        if not pinned and not self._target.authorities:
            raise HostFailed(_("none is approved yet: compare the one that was offered"))
        if known := [key for key in self._shown if key in pinned]:
            return ssh.fingerprint(known[0])
        if self._target.authorities:
            return self._ask_for_certificate()
        raise HostFailed(
            _("the host shows another key than the approved one: was it installed anew?")
        )

    def _ask_for_certificate(self) -> str:
        vouched = ssh.vouched_keys(self._target)
        key_rules.pin_vouched(self._host.pk, vouched)
        self._host = Host.objects.get(pk=self._host.pk)
        self._target = target.of_host(self._host)
        return _("%(key)s, by a certificate of the host CA %(authority)s") % {
            "key": ssh.fingerprint(vouched[0].key),
            "authority": vouched[0].authority,
        }

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
        result = self._session.run(
            program.command, stdin=program.stdin, timeout=ASK_LIMIT, hold=True
        )
        self._took = time.time() - self._asked_at
        noise, found, answer = result.stdout.partition(mark)
        if not found or result.exit_status != 0:
            said = words(result.stderr)[-200:]
            raise HostFailed(_("no sh that works there: %s") % (said or _("no answer")))
        self._found = Found.read(answer.decode("utf-8", "replace"))
        if self._found.missing:
            raise _Problem(_("missing on the host: %s") % ", ".join(self._found.missing))
        if self._found.readonly:
            raise _Problem(_("the user may not write to %s") % self._found.readonly)
        if self._found.open:
            raise _Problem(
                _("others may write to %(path)s on the host; there: chmod -R go= %(path)s")
                % {"path": self._found.open}
            )
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
        try:
            values = recipes.resolve(
                self._recipe, game=self._host.game.vars, host=self._host.vars, job={}
            )
        except InvalidInput:
            return []  # the variables' own part says what is wrong with them
        names = [name for name, var in self._recipe.vars.items() if var.type == "path"]
        return [values.plain[name] for name in names if values.plain.get(name)]

    # What a job's recipe would need

    def _vars(self) -> str:
        try:
            self._variables = target.variables_of_host(self._host, self._recipe)
        except InvalidInput as unfit:
            raise _Problem(str(unfit))
        except HostFailed as locked:
            raise _Problem(str(locked))
        return _("complete for recipe %s") % self._recipe.name

    def _sudo(self) -> str:
        if not self._recipe.sudo:
            return _("the recipe declares no command")
        answer = self._ask(commands.sudo_rules, self._recipe.sudo)
        if problems := sudo.problems(answer):
            raise _Problem("; ".join(problems))
        count = len(self._recipe.sudo)
        return ngettext("%(n)s command allowed", "%(n)s commands allowed", count) % {"n": count}

    def _version(self) -> str:
        if not self._recipe.current:
            return _("the recipe does not ask for it")
        on_disk = self._ask(commands.ask, self._recipe.current).strip()[:255]
        self._see(on_disk=on_disk)
        wanted = truth.wanted(self._host)
        if wanted and on_disk != wanted:
            raise _Warning(
                _("%(found)s, but the last job left %(wanted)s there")
                % {"found": on_disk or _("nothing"), "wanted": wanted}
            )
        return on_disk or _("nothing yet")

    def _game(self) -> str:
        if not (asked := self._recipe.query):
            return _("the recipe has no query")
        try:
            answer = self._query(asked)
        except query.NotAsked as why:
            return str(why)
        except HostFailed as silent:
            self._see(silence=str(silent))
            # Before its first release, or in maintenance, no game runs: a job may run all the same.
            raise _Warning(str(silent))
        self._see(running=answer.version, players=answer.players)
        players = (
            _("players unknown")
            if answer.players is None
            else ngettext("%(n)s player", "%(n)s players", answer.players) % {"n": answer.players}
        )
        told = f"{answer.version or _('version unknown')}, {players}"
        if truth.contradicts(self._host, answer.version):
            raise _Warning(told)
        return told

    def _query(self, asked: recipes.Query) -> query.Answer:
        if asked.run:
            return query.read(self._ask(commands.ask, asked.run))
        if self._variables is None:
            raise _NotTried
        return query.ask(asked, self._variables.plain, self._target.address)

    def _see(self, **columns: Any) -> None:
        nothing = {"on_disk": None, "running": "", "players": None, "silence": ""}
        self.seen = nothing | self.seen | columns | {"at": timezone.now()}

    def _ask(self, make: Callable[[Any, commands.Variables], Question], what: Any) -> str:
        """What the host prints. Raises _Problem where the script fails, _NotTried without vars."""
        if self._session is None or self._variables is None:
            raise _NotTried
        program, mark = make(what, self._variables)
        secrets = Mask(self._variables.secret.values())
        result = self._session.run(
            program.command, stdin=program.stdin, timeout=ASK_LIMIT, hold=True
        )
        if result.exit_status != 0:
            said = words(result.stderr, secrets)[-200:]
            raise _Problem(
                _("the script ended with exit status %(status)s: %(said)s")
                % {"status": result.exit_status, "said": said}
            )
        _noise, _mark, answer = result.stdout.partition(mark)
        # The rest of the mark's own line is the host's uptime.
        return words(answer.partition(b"\n")[2], secrets)
