"""What of a draft cannot be taken as things stand: every reason, each with a remedy."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from deploy_tasks import key_rules, recipes, ssh
from deploy_tasks.errors import InvalidInput
from deploy_tasks.findings import Unquoted
from deploy_tasks.inventory.draft import Draft, Drafted
from deploy_tasks.inventory.schema import CredentialEntry, GameEntry, HostEntry, ReleaseEntry
from deploy_tasks.inventory.stock import Stock
from deploy_tasks.models import Credential
from deploy_tasks.recipes import Recipe
from deploy_tasks.yamlfile import Place


def check(draft: Draft, stock: Stock, *, replace_host_keys: bool) -> list[InvalidInput]:
    """Everything that stands against the draft, in the order of its lines."""
    checker = _Checker(draft, stock, replace_host_keys)
    findings = [*draft.findings, *checker.findings()]
    return sorted(findings, key=lambda finding: (finding.file or "", finding.line or 0))


class _Checker:
    def __init__(self, draft: Draft, stock: Stock, replace_host_keys: bool) -> None:
        self.draft, self.stock, self.replace_host_keys = draft, stock, replace_host_keys
        self.game_vars = {name: game.vars for name, game in stock.games.items()}
        self.game_vars |= {
            game.entry.name: game.entry.vars or {}
            for game in draft.games
            if "vars" in game.entry.model_fields_set or game.entry.name not in stock.games
        }
        self.recipes = {name: stock.recipes[game.recipe.name] for name, game in stock.games.items()}
        for game in draft.games:
            if recipe := self._recipe_named_by(game.entry):
                self.recipes[game.entry.name] = recipe
            else:
                self.recipes.pop(game.entry.name, None)
        self.kinds = {name: row.kind for name, row in stock.credentials.items()}
        self.kinds |= {one.entry.name: one.entry.kind for one in draft.credentials}
        self.credential_of = {name: row.credential.name for name, row in stock.hosts.items()}
        self.credential_of |= {one.entry.name: one.entry.credential for one in draft.hosts}
        self.ways = {host.entry.name: self._way(host.entry) for host in draft.hosts}

    def findings(self) -> Iterator[InvalidInput]:
        for credential in self.draft.credentials:
            yield from self._credential(credential)
        yield from self._recipe_texts()
        for game in self.draft.games:
            yield from self._game(game)
        for release in self.draft.releases:
            yield from self._release(release)
        for host in self.draft.hosts:
            yield from self._host(host)
        yield from self._circles()

    def _recipe_named_by(self, entry: GameEntry) -> Recipe | None:
        read = self.draft.recipes.get(entry.name)
        return read.recipe if read else self.stock.recipes.get(entry.recipe)

    def _way(self, entry: HostEntry) -> str | None:
        given = "via" in entry.model_fields_set
        return entry.via if given else self.stock.via(entry.name)

    def _invalid(self, place: Place, message: str, **parts: object) -> InvalidInput:
        return self.draft.document.invalid(place, message % parts if parts else message)

    def _credential(self, drafted: Drafted[CredentialEntry]) -> Iterator[InvalidInput]:
        entry, row = drafted.entry, self.stock.credentials.get(drafted.entry.name)
        if row and row.kind != entry.kind:
            yield self._invalid(
                (*drafted.place, "name"),
                _("this name belongs to a credential of another kind (%(kind)s); choose another"),
                kind=row.get_kind_display(),
            )

    def _recipe_texts(self) -> Iterator[InvalidInput]:
        """One name, two texts in one file: which of them would the games get?"""
        texts: dict[str, str] = {}
        for game in self.draft.games:
            read = self.draft.recipes.get(game.entry.name)
            if read and texts.setdefault(read.recipe.name, read.text) != read.text:
                yield self._invalid(
                    (*game.place, "recipe"),
                    _("another game above uses another recipe of the name %(name)s; rename one"),
                    name=read.recipe.name,
                )

    def _game(self, drafted: Drafted[GameEntry]) -> Iterator[InvalidInput]:
        entry, place = drafted.entry, drafted.place
        recipe = self.recipes.get(entry.name)
        if recipe:
            given = self.game_vars[entry.name]
            yield from self._vars(recipe, given, place, game=entry.name)
        elif not entry.recipe_is_path and entry.name not in self.draft.recipes:
            yield self._invalid(
                (*place, "recipe"),
                _("there is no recipe “%(name)s”; name a shipped one, or the path of a .yml file"),
                name=entry.recipe,
            )

    def _release(self, drafted: Drafted[ReleaseEntry]) -> Iterator[InvalidInput]:
        entry, place = drafted.entry, drafted.place
        yield from self._game_known(entry.game, place)
        artifact = self.draft.artifacts.get(entry.name)
        row = self.stock.releases.get(entry.name)
        if row and artifact and row.sha256 != artifact.sha256:
            yield self._invalid(
                (*place, "artifact"),
                _(
                    "%(release)s has the SHA-256 %(known)s and never changes; this is %(found)s."
                    " Give what is new a version of its own"
                ),
                release=entry.name,
                known=row.sha256 or _("none"),
                found=artifact.sha256,
            )
        recipe = self.recipes.get(entry.game)
        needs = recipe and any(step.upload for step in recipe.steps)
        if needs and not entry.artifact and not (row and row.sha256):
            yield self._invalid(
                place,
                _("the recipe %(recipe)s uploads an artifact; name it with artifact: path"),
                recipe=recipe.name if recipe else "",
            )

    def _host(self, drafted: Drafted[HostEntry]) -> Iterator[InvalidInput]:
        entry, place = drafted.entry, drafted.place
        yield from self._game_known(entry.game, place)
        yield from self._credential_fits(
            entry.credential, Credential.Kind.SSH_KEY, (*place, "credential"), game=entry.game
        )
        yield from self._pinned(entry, place)
        yield from self._revoked(entry, place)
        if not self._may_stand_on(entry):
            yield self._invalid(
                (*place, "machine"),
                _(
                    "machine %(name)s carries hosts of other games: only who maintains one of them"
                    " may put more on it"
                ),
                name=entry.machine,
            )
        if not self._may_go_through(self.ways[entry.name], entry.game):
            yield self._invalid(
                (*place, "via"),
                _("there is no host “%(name)s” to go through; add it under hosts"),
                name=self.ways[entry.name],
            )
        recipe = self.recipes.get(entry.game)
        if recipe:
            row = self.stock.hosts.get(entry.name)
            given = row.vars if row and "vars" not in entry.model_fields_set else entry.vars or {}
            yield from self._vars(recipe, given, place, game=entry.game)
            for finding in recipes.missing(recipe, self.game_vars.get(entry.game, {}), given):
                yield self._invalid((*place, *_parts(finding)), finding.message)

    def _may_stand_on(self, entry: HostEntry) -> bool:
        """How many hosts of a machine may be down holds for all games on it: who puts hosts on it
        can keep those of the others waiting."""
        name, carried = entry.machine, self.stock.carried
        if name is None or (name, entry.game) in carried or name in self.stock.within_reach:
            return True
        return not any(machine == name for machine, _game in carried)

    def _game_known(self, name: str, place: Place) -> Iterator[InvalidInput]:
        if name not in self.draft.named["games"] and name not in self.stock.games:
            yield self._invalid(
                (*place, "game"),
                _("there is no game “%(name)s”; add it under games"),
                name=name,
            )

    def _credential_fits(
        self, name: str, kind: Credential.Kind, place: Place, *, game: str
    ) -> Iterator[InvalidInput]:
        found = self.kinds.get(name)
        if not self._may_name(name, game):
            # The same words for one that is not there: its name is not everybody's to know.
            yield self._invalid(
                place, _("there is no credential “%(name)s”; add it under credentials"), name=name
            )
        elif found not in (None, kind):
            yield self._invalid(
                place,
                _("the credential “%(name)s” is not of the kind that is needed here: %(kind)s"),
                name=name,
                kind=kind.label,
            )

    def _may_name(self, credential: str, game: str) -> bool:
        """Whether it is the game's, or becomes so by this; then that is noted in the stock."""
        if credential in self.draft.named["credentials"] or credential in self.stock.lendable:
            self.stock.named.add((credential, game))
            return True
        return (credential, game) in self.stock.lent

    def _may_go_through(self, via: str | None, game: str) -> bool:
        """To go through a host is to log in there: its credential must be this game's too."""
        if via is None:
            return True
        if credential := self.credential_of.get(via):
            return self._may_name(credential, game)
        return via in self.draft.named["hosts"]

    def _vars(
        self, recipe: Recipe, given: Mapping[str, Any], place: Place, *, game: str
    ) -> Iterator[InvalidInput]:
        for finding in recipes.unfit(recipe, given):
            at = (*place, *_parts(finding))
            written = self.draft.document.text(at)
            again = Unquoted(written) if written and isinstance(finding, Unquoted) else finding
            yield self._invalid(at, again.message)
        for name, value in given.items():
            if name in recipe.vars and recipe.vars[name].type == "secret":
                yield from self._credential_fits(
                    str(value), Credential.Kind.SECRET, (*place, "vars", name), game=game
                )

    def _pinned(self, entry: HostEntry, place: Place) -> Iterator[InvalidInput]:
        pinned = self.stock.pinned.get(entry.name, {})
        new = [key for key in entry.host_key if key not in pinned]
        if pinned and new and not self.replace_host_keys:
            yield self._invalid(
                (*place, "host_key"),
                _(
                    "another key is pinned: %(pinned)s, this one is %(found)s. If the key was"
                    " changed on purpose, import with --replace-host-keys"
                ),
                pinned=", ".join(pinned.values()),
                found=", ".join(ssh.fingerprint(key) for key in new),
            )

    def _revoked(self, entry: HostEntry, place: Place) -> Iterator[InvalidInput]:
        rules = [rule for rule in self.stock.revoked if rule.game.name == entry.game]
        for key in entry.host_key:
            if any(rule.key == key and key_rules.is_about(rule.names, entry) for rule in rules):
                said = _("this host key is revoked: %s") % ssh.fingerprint(key)
                yield self._invalid((*place, "host_key"), said)

    def _circles(self) -> Iterator[InvalidInput]:
        """Each circle of jump hosts once, at its first host in the file."""
        told: set[str] = set()
        for drafted in self.draft.hosts:
            name = drafted.entry.name
            way = [name]
            while (through := self._through(way[-1])) and through not in way:
                way.append(through)
            if through == name and name not in told:
                told.update(way)
                yield self._invalid(
                    (*drafted.place, "via"),
                    _("the way goes in a circle: %(way)s; no host may be reached through itself"),
                    way=" → ".join([*way, name]),
                )

    def _through(self, name: str) -> str | None:
        return self.ways[name] if name in self.ways else self.stock.via(name)


def _parts(finding: InvalidInput) -> Place:
    """``vars.port`` -> ("vars", "port")"""
    return tuple((finding.field or "").split(".", 1))
