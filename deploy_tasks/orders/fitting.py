"""Whether an order can be carried out on each of its hosts, as far as the rows know."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from deploy_tasks import floors, key_rules, recipes
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import Game, Host
from deploy_tasks.orders.choosing import Choice


@dataclass(frozen=True)
class Misfit:
    host: str
    error: InvalidInput


def misfits(choice: Choice) -> list[Misfit]:
    """Hosts this order cannot be carried out on as they are, each with the first reason."""
    found = []
    knowable = key_rules.knowable(choice.hosts)
    purse = Purse.of(choice.game)
    for index, host in enumerate(choice.hosts):
        where = f"hosts[{index}]" if choice.order.hosts is not None else "hosts"
        try:
            _check(choice, host, where, knowable, purse)
        except InvalidInput as error:
            found.append(Misfit(host.name, error))
    return found


@dataclass(frozen=True)
class Purse:
    """The credentials a game may use. ``ways``: host -> credential, of hosts that others go
    through."""

    credentials: Mapping[int, str]
    ways: Mapping[int, int]

    @classmethod
    def of(cls, game: Game) -> "Purse":
        through = Host.objects.filter(behind__game=game)
        return cls(
            dict(game.credentials.values_list("pk", "name")),
            dict(through.values_list("pk", "credential")),
        )

    def lacks(self, host: Host) -> bool:
        """Whether one that it takes to reach the host is not the game's."""
        needed = [host.credential_id]
        if host.via_id is not None:
            needed.append(self.ways[host.via_id])
        return any(credential not in self.credentials for credential in needed)


def never_let_in(choice: Choice) -> list[Misfit]:
    """Hosts of which none may ever be down: the share of a small group is less than one."""
    limits = floors.own_limits(choice.rollout, choice.game.pk, choice.hosts)
    found = []
    for host in choice.hosts:
        for group in sorted(floors.groups(host)):
            if limits.get(group) == 0:
                label, value = floors.named(group)
                message = _(
                    "none of %(label)s=%(value)s may ever be down: %(share)s of so few is less"
                    " than one; allow a number instead"
                ) % {"label": label, "value": value, "share": choice.rollout.max_down[label]}
                error = InvalidInput(message, field="rollout.max_down")
                found.append(Misfit(host.name, error))
    return found


def _check(choice: Choice, host: Host, where: str, knowable: Collection[int], purse: Purse) -> None:
    for hop in (host.pk, host.via_id):
        if hop is not None and hop not in knowable:
            name = host.name if hop == host.pk else Host.objects.get(pk=hop).name
            raise InvalidInput(
                _("no host key of %s is pinned; approve its fingerprint first") % name,
                field=where,
            )
    if purse.lacks(host):
        raise InvalidInput(
            _("%(host)s is reached with a credential that is not for %(game)s")
            % {"host": host, "game": choice.game},
            field=where,
        )
    try:
        values = recipes.resolve(
            choice.recipe, game=choice.game.vars, host=host.vars, job=choice.order.vars
        )
        _check_secrets(choice, values.secrets, purse)
    except InvalidInput as error:
        # What the job itself set wrongly is the order's fault, not a host's.
        wrong_in_order = (error.field or "").removeprefix("vars.") in choice.order.vars
        field_ = error.field if wrong_in_order else where
        message = error.message if wrong_in_order else f"{host.name}: {error}"
        raise InvalidInput(message, field=field_)


def _check_secrets(choice: Choice, secrets: Mapping[str, str], purse: Purse) -> None:
    """A name is enough to have a secret opened: it must be one of this game's."""
    ours = set(purse.credentials.values())
    for var, name in secrets.items():
        if name not in ours:
            raise InvalidInput(
                _("there is no credential “%(name)s” for %(game)s")
                % {"name": name, "game": choice.game},
                field=f"vars.{var}",
            )
