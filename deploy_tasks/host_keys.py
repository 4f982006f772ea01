"""Host keys from a list that people trust: what it would change, and the change itself."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from deploy_tasks import audit, hosts, key_rules, known_hosts, ssh
from deploy_tasks.errors import InvalidInput
from deploy_tasks.known_hosts import AUTHORITY, REVOKED, Line
from deploy_tasks.models import Game, Host, HostKey, KeyRule

#: Of a list; that of 5,000 hosts with three keys each has about 2 MB.
MAX_BYTES = 8 * 1024 * 1024
MAX_NAMES = 500

KINDS = {AUTHORITY: KeyRule.Kind.AUTHORITY, REVOKED: KeyRule.Kind.REVOKED}


class Outcome(StrEnum):
    """What a list does to a host. ``REVOKED``: it takes a pinned key away and has no other;
    ``VOUCHED``: the list has no key of it, but an authority; ``UNNAMED``: nothing of it."""

    APPROVED = "approved"
    UNCHANGED = "unchanged"
    REVOKED = "revoked"
    REFUSED = "refused"
    VOUCHED = "vouched"
    UNNAMED = "unnamed"


@dataclass(frozen=True)
class Finding:
    """One host: the keys that are pinned now, those that the list has (with their lines), those
    that would be pinned, those that were and are revoked; each ``type base64``."""

    host: Host
    outcome: Outcome
    held: frozenset[str]
    listed: dict[str, int]
    holds: frozenset[str]
    lost: frozenset[str] = frozenset()

    @property
    def pinned(self) -> list[str]:
        """Fingerprints."""
        return [ssh.fingerprint(key) for key in sorted(self.held)]

    @property
    def offered(self) -> list[str]:
        """Fingerprints of what the list has."""
        return [ssh.fingerprint(key) for key in sorted(self.listed)]

    @property
    def why(self) -> str:
        return _("pinned %(pinned)s, but the list has %(listed)s (line %(line)s)") % {
            "pinned": ", ".join(ssh.fingerprint(key) for key in sorted(self.held - {*self.listed})),
            "listed": ", ".join(self.offered),
            "line": min(self.listed.values(), default=0),
        }


@dataclass
class Approval:
    """``rules`` are those that the list adds; ``skipped``: lines with keys of types that hosts
    cannot have here."""

    findings: list[Finding] = field(default_factory=list)
    rules: list[KeyRule] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)

    def of(self, *outcomes: Outcome) -> list[Finding]:
        return [one for one in self.findings if one.outcome in outcomes]

    def names(self, outcome: Outcome) -> list[str]:
        return [one.host.name for one in self.of(outcome)]

    @property
    def revoked(self) -> list[str]:
        """Hosts that had a pinned key which is revoked, and have it no more."""
        return [one.host.name for one in self.findings if one.lost]

    @property
    def changes(self) -> bool:
        return bool(self.rules) or any(one.holds != one.held for one in self.findings)

    @property
    def digest(self) -> str:
        """Of all that it would change: whoever has seen this has seen that."""
        told = [f"{one.host.pk} {sorted(one.held)} {sorted(one.holds)}" for one in self.findings]
        told += [f"{rule.game_id} {rule}" for rule in self.rules]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()


def compare(
    rows: QuerySet[Host], text: str, *, replace: bool = False, games: Iterable[Game] = ()
) -> Approval:
    """What `approve_listed` would do. Raises InvalidInput for a text that is no such list."""
    if len(text) > MAX_BYTES:
        raise InvalidInput(_("this list is too long"), field="known_hosts")
    approval = Approval()
    found = _Listed(known_hosts.read(text), approval.skipped)
    there = list(rows.order_by("name").prefetch_related("keys", "game__key_rules"))
    approval.rules = list(_new_rules(found.rules, there, games))
    authorities = [line for line in found.rules if line.marker == AUTHORITY]
    for host in there:
        held = frozenset(key.key for key in host.keys.all() if key.approved_at)
        listed, revoked = found.keys(host)
        finding = _decide(host, held, listed, revoked, replace=replace)
        if finding.outcome == Outcome.UNNAMED and any(
            _is_about(line, host) for line in authorities
        ):
            finding = Finding(host, Outcome.VOUCHED, held, {}, held)
        approval.findings.append(finding)
    return approval


@transaction.atomic
def approve_listed(
    rows: QuerySet[Host],
    text: str,
    *,
    by: User,
    replace: bool = False,
    games: Iterable[Game] = (),
) -> Approval:
    """Pin what a ``known_hosts`` file, or the output of ``ssh-keyscan``, says of these hosts, and
    keep what it says of authorities and of revoked keys.

    ``replace``: give up pinned keys of the same type where the list has another. ``games``: those
    that get the rules of the list even where no host of theirs is meant yet. Raises InvalidInput.
    """
    done = compare(rows.select_for_update(of=("self",)), text, replace=replace, games=games)
    before, after = {}, {}
    for one in done.findings:
        if one.holds != one.held:
            _pin(one.host, one.holds, by)
            before[one.host.name] = one.pinned
            after[one.host.name] = [ssh.fingerprint(key) for key in sorted(one.holds)]
    for rule in done.rules:
        _add(rule, by)
    if after:
        audit.record(by, "approve_listed_keys", f"{len(after)} hosts", before=before, after=after)
    waiting = [one.host.pk for one in done.of(Outcome.VOUCHED) if not one.held]
    if waiting:  # their certificates are looked at, and their keys pinned, without being asked for
        hosts.test(Host.objects.filter(pk__in=waiting))
    return done


def _add(rule: KeyRule, by: User) -> None:
    made, is_new = KeyRule.objects.get_or_create(
        game=rule.game,
        kind=rule.kind,
        fingerprint=rule.fingerprint,
        names=rule.names,
        defaults={"key": rule.key, "approved_by": by},
    )
    if is_new:  # nobody else has said the same at the same moment
        told = {"kind": rule.kind, "for": rule.names, "key": rule.fingerprint}
        audit.record(by, "add_keyrule", str(made), game=rule.game, after=told)


class _Listed:
    """A list, asked by address: most of its names are plain, the others are looked through."""

    def __init__(self, lines: Iterable[Line], skipped: list[int]) -> None:
        self._plain: dict[str, list[Line]] = {}
        self._others: list[Line] = []
        self.rules: list[Line] = []
        for line in lines:
            if not ssh.is_supported(line.key.split()[0]):
                skipped.append(line.number)
                continue
            _require_key(line)
            if line.marker:
                self.rules.append(line)
            if line.marker == AUTHORITY:
                continue
            if any(set(name) & set("*?!|") for name in line.names):
                self._others.append(line)
                continue
            for name in line.names:
                self._plain.setdefault(name.lower(), []).append(line)

    def keys(self, host: Host) -> tuple[dict[str, int], set[str]]:
        """What may be pinned, with its line, and what is revoked."""
        lines = self._plain.get(known_hosts.called(host.address, host.port).lower(), [])
        lines = [*lines, *(one for one in self._others if one.is_about(host.address, host.port))]
        revoked = {line.key for line in lines if line.marker == REVOKED}
        revoked |= set(key_rules.revoked_of(host))
        return {line.key: line.number for line in lines if line.key not in revoked}, revoked


def _require_key(line: Line) -> None:
    try:
        ssh.fingerprint(line.key)
    except InvalidInput as wrong:
        raise InvalidInput(wrong.message, field="known_hosts", line=line.number) from None
    if line.marker and len(",".join(line.names)) > MAX_NAMES:
        raise InvalidInput(
            _("more than %d characters of names; write a pattern") % MAX_NAMES,
            field="known_hosts",
            line=line.number,
        )


def _decide(
    host: Host,
    held: frozenset[str],
    listed: dict[str, int],
    revoked: set[str],
    *,
    replace: bool,
) -> Finding:
    kept, lost = held - revoked, held & revoked
    if not listed:
        outcome = Outcome.REVOKED if lost else Outcome.UNNAMED
        return Finding(host, outcome, held, listed, kept, lost)
    types = {_type(key) for key in listed}
    given_up = {key for key in kept - set(listed) if _type(key) in types}
    if given_up and not replace:
        return Finding(host, Outcome.REFUSED, held, listed, kept, lost)
    outcome = Outcome.UNCHANGED if set(listed) <= kept else Outcome.APPROVED
    return Finding(host, outcome, held, listed, (kept - given_up) | set(listed), lost)


def _new_rules(
    lines: Iterable[Line], there: Iterable[Host], games: Iterable[Game]
) -> Iterator[KeyRule]:
    """For each game that has a host which the line is about, and those that are named."""
    known = set(KeyRule.objects.values_list("game", "kind", "fingerprint", "names"))
    named = {game.pk: game for game in games}
    for line in lines:
        about = {host.game_id: host.game for host in there if _is_about(line, host)}
        for pk, game in sorted((named | about).items()):
            names, fingerprint = ",".join(line.names), ssh.fingerprint(line.key)
            one = (pk, KINDS[line.marker].value, fingerprint, names)
            if one not in known:
                known.add(one)
                yield KeyRule(
                    game=game, kind=one[1], names=names, key=line.key, fingerprint=fingerprint
                )


def _is_about(line: Line, host: Host) -> bool:
    return key_rules.is_about(",".join(line.names), host)


def _pin(host: Host, keys: Iterable[str], by: User) -> None:
    host.keys.filter(approved_at__isnull=False).exclude(key__in=keys).delete()
    for key in sorted(keys):
        HostKey.objects.update_or_create(
            host=host,
            fingerprint=ssh.fingerprint(key),
            defaults={},
            create_defaults={"key": key},
        )
    waiting = host.keys.filter(key__in=keys, approved_at__isnull=True)
    waiting.update(approved_at=timezone.now(), approved_by=by)


def _type(key: str) -> str:
    return key.split()[0]
