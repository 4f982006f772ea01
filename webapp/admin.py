"""The stock admin: the inventory by hand, users and their grants. Credentials show no secret."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from deploy_tasks.models import AuditEntry, Credential, Game, Host, HostKey, Machine, Release
from webapp.models import ApiToken, Grant

if TYPE_CHECKING:
    Admin = admin.ModelAdmin[Any]
else:
    Admin = admin.ModelAdmin


class ReadOnly(Admin):
    """To look at: what is written here comes about another way."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Grant)
class GrantAdmin(Admin):
    list_display = ("user", "game", "role")
    list_filter = ("role", "game")


@admin.register(Game)
class GameAdmin(Admin):
    list_display = ("name", "recipe")


@admin.register(Host)
class HostAdmin(Admin):
    """Keys are approved on the host's own page, where the fingerprint can be compared."""

    list_display = ("name", "game", "address", "port", "user", "credential")
    list_filter = ("game",)
    search_fields = ("name", "address")


@admin.register(Machine)
class MachineAdmin(Admin):
    list_display = ("name",)


@admin.register(Credential)
class CredentialAdmin(ReadOnly):
    """Imported, never typed in and never shown: the web process cannot open one."""

    list_display = ("name", "kind", "changed_at")
    fields = ("name", "kind", "public", "changed_at")


@admin.register(Release)
class ReleaseAdmin(ReadOnly):
    """Immutable."""

    list_display = ("game", "version", "filename", "size", "created_at")
    list_filter = ("game",)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(HostKey)
class HostKeyAdmin(ReadOnly):
    list_display = ("host", "fingerprint", "approved_at", "approved_by")
    search_fields = ("host__name", "fingerprint")


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnly):
    """Made by the command, shown once; here they can be taken away."""

    list_display = ("user", "created_at", "last_used_at")
    fields = ("user", "created_at", "last_used_at")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ("at", "actor_name", "action", "object")
    list_filter = ("action",)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
