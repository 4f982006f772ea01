"""Games and releases, and the rule of who may change what the inventory says."""

from typing import Annotated, Any

from django.utils.translation import gettext as _
from ninja import File, Form, Status
from ninja.files import UploadedFile

from deploy_tasks import inventory
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import Game, Release
from deploy_tasks.names import Name
from webapp import access, inventory_reports, uploads
from webapp.access import Right, takes
from webapp.api.auth import ApiRequest
from webapp.api.bodies import REFUSALS, GameBody
from webapp.api.routing import Router
from webapp.shapes import GameList, GameReport, Refusal, ReleaseList, ReleaseReport

games = Router(tags=["inventory"])
releases = Router(tags=["inventory"])


def game_to(right: Right, request: ApiRequest, name: object) -> Game:
    """The game that an entry names, if the caller has the right in it."""
    game = visible_game(request, name)
    access.require(request.auth, right, game)
    return game


def visible_game(request: ApiRequest, name: object) -> Game:
    """The same words for a game that is not there and one that is not theirs to see."""
    game = access.visible_games(request.auth).filter(name=str(name)).first()
    if game is None:
        raise InvalidInput(_("there is no game “%s”") % name, field="game")
    return game


@games.get("", response={200: GameList, REFUSALS: Refusal})
@takes(Right.SEE)
def list_games(request: ApiRequest) -> GameList:
    found = access.visible_games(request.auth).select_related("recipe").order_by("name")
    return {"games": [inventory_reports.game(game) for game in found]}


@games.post("", response={201: GameReport, 200: GameReport, REFUSALS: Refusal})
@takes(Right.MAINTAIN)
def add_game(request: ApiRequest, entry: GameBody) -> Status[GameReport]:
    """One entry of the inventory file's ``games``; the recipe is one that we ship or know."""
    by = request.auth
    known = access.visible_games(by).filter(name=str(entry.get("name"))).first()
    access.require(by, Right.MAINTAIN if known else Right.ADMINISTER, known)
    recipe = str(entry.get("recipe"))
    if not (known and known.recipe.name == recipe) and recipe not in access.recipes_to_choose(by):
        # The inventory's own words: the names of others' recipes are theirs.
        message = _("there is no recipe “%(name)s”; name a shipped one, or the path of a .yml file")
        raise InvalidInput(message % {"name": recipe}, field="recipe")
    game = inventory.import_entry("games", entry, by=by, reach=access.reach(by))
    return Status(200 if known else 201, inventory_reports.game(game))


@releases.get("", response={200: ReleaseList, REFUSALS: Refusal})
@takes(Right.SEE)
def list_releases(request: ApiRequest, game: Name | None = None) -> ReleaseList:
    """Newest first."""
    found = access.visible_releases(request.auth).select_related("game").order_by("-pk")
    if game:
        found = found.filter(game__name=game)
    return {"releases": [inventory_reports.release(release) for release in found]}


@releases.post("", response={201: ReleaseReport, 200: ReleaseReport, REFUSALS: Refusal})
@takes(Right.MAINTAIN)
def add_release(
    request: ApiRequest,
    game: Annotated[Name, Form()],
    version: Annotated[Name, Form()],
    sha256: Annotated[str, Form()] = "",
    artifact: Annotated[UploadedFile | None, File()] = None,
) -> Status[ReleaseReport]:
    """Multipart: the fields of an entry of ``releases``, and the artifact itself as a file."""
    _refuse_unknown_fields(request)
    maintained = game_to(Right.MAINTAIN, request, game)
    known = Release.objects.filter(game=maintained, version=version).exists()
    entry: dict[str, Any] = {"game": game, "version": version}
    if sha256:
        entry["sha256"] = sha256
    with uploads.readable([artifact] if artifact else []) as files:
        if files:
            (entry["artifact"],) = files
        release = inventory.import_entry("releases", entry, by=request.auth, uploads=files)
    return Status(200 if known else 201, inventory_reports.release(release))


def _refuse_unknown_fields(request: ApiRequest) -> None:
    """An artifact that is sent as text, a path perhaps, must not be passed over in silence."""
    for given, known in (
        (request.POST, ("game", "version", "sha256")),
        (request.FILES, ("artifact",)),
    ):
        if unknown := [name for name in given if name not in known]:
            raise InvalidInput(_("there is no such field, or not of this kind"), field=unknown[0])
