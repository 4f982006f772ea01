"""Where a host run goes and what its scripts are given: fixed at the first claim.

The snapshot is JSON in ``HostRun.target``: an edit or an import in mid-job cannot send us to
another machine. Secrets are not in it, only the names of their credentials.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from deploy_tasks import commands, credentials, desk, key_rules, recipes, ssh, vault
from deploy_tasks.errors import HostFailed
from deploy_tasks.models import Credential, Host, HostRun, Release


def snapshot(run: HostRun, recipe: recipes.Recipe) -> dict[str, Any]:
    """Raises HostFailed for a host that is gone, InvalidInput for vars that do not fit."""
    host = run.host
    if host is None:
        raise HostFailed(_("this host is no longer in the inventory"))
    return {
        **_place(host),
        "via": _place(host.via) if host.via else None,
        "labels": host.labels,
        **_given(run, recipe, host),
    }


def _given(run: HostRun, recipe: recipes.Recipe, host: Host) -> dict[str, Any]:
    """What is taken back is taken back with the values that it was done with."""
    if run.undoes and run.undoes.target:
        return {name: run.undoes.target[name] for name in ("vars", "secrets")}
    job = run.job
    values = recipes.resolve(recipe, game=job.game.vars, host=host.vars, job=job.vars)
    return {"vars": values.plain, "secrets": values.secrets}


def _place(host: Host) -> dict[str, Any]:
    pinned = sorted((key for key in host.keys.all() if key.approved_at), key=lambda key: key.pk)
    return {
        "name": host.name,
        "address": host.address,
        "port": host.port,
        "user": host.user,
        "credential": host.credential.name,
        "host_keys": [key.key for key in pinned],
        "authorities": key_rules.authorities_of(host),
        "revoked": key_rules.revoked_of(host),
    }


def of_host(host: Host) -> ssh.Target:
    """Where an inventory host is now, to look at it outside of any job."""
    return _target({**_place(host), "via": _place(host.via) if host.via else None}, {})


def of_run(run: HostRun) -> ssh.Target:
    """Where its snapshot says. The credentials of its host were read together with it."""
    at_hand = [one.credential for one in (run.host, run.host and run.host.via) if one]
    return _target(run.target or {}, {one.name: one for one in at_hand})


def _target(place: dict[str, Any], at_hand: Mapping[str, Credential]) -> ssh.Target:
    via = place.get("via")
    return ssh.Target(
        name=place["name"],
        address=place["address"],
        port=place["port"],
        user=place["user"],
        host_keys=tuple(place["host_keys"]),
        authorities=tuple(place.get("authorities", ())),
        revoked=tuple(place.get("revoked", ())),
        **_log_in(at_hand.get(place["credential"]) or _row(place["credential"])),
        via=_target(via, at_hand) if via else None,
    )


def variables_of_host(host: Host, recipe: recipes.Recipe) -> commands.Variables:
    """What a question outside of any job is given. Raises InvalidInput for vars that do not fit."""
    values = recipes.resolve(recipe, game=host.game.vars, host=host.vars, job={})
    no_job = dict.fromkeys(("version", "previous", "sha256", "job", "artifact"), "")
    return commands.Variables(
        plain={**values.plain, **no_job, "host": host.name},
        secret={name: _secret(credential) for name, credential in values.secrets.items()},
    )


def variables(run: HostRun, snapshot: dict[str, Any]) -> commands.Variables:
    """What every script of this host run is given. Call once `previous` is known."""
    release = run.job.release
    literal = {"artifact": '""'}
    if release.sha256:
        literal["artifact"] = f'"$HOME/{artifact_of(release).path}"'
    return commands.Variables(
        plain={
            **snapshot["vars"],
            "version": release.version,
            "previous": run.previous or "",
            "sha256": release.sha256,
            "host": run.name,
            "job": str(run.job_id),
        },
        literal=literal,
        secret={name: _secret(credential) for name, credential in snapshot["secrets"].items()},
    )


def version_wanted(run: HostRun) -> str | None:
    """Which one a host is brought to, or back to where ``run`` undoes another; None: that one is
    not known."""
    return run.previous if run.undoes_id else run.job.release.version


def artifact_of(release: Release) -> commands.Artifact:
    return commands.Artifact(release.sha256, release.size)


def _log_in(row: Credential) -> dict[str, Any]:
    """What of an `ssh.Target` a credential decides."""
    if row.agent:
        socket = settings.VARIABLE("SSH_AUTH_SOCK") or ""
        agent = ssh.AgentLogin(row.agent, socket)
        return {"private_key": "", "agent": agent, "certificate": row.certificate}
    opened = _opened(row.key_id, bytes(row.sealed), vault.identity_of_credential(row.name))
    private_key, passphrase = credentials.parted(opened)
    given = {"private_key": private_key, "passphrase": passphrase}
    return {**given, "certificate": row.certificate}


def _row(name: str) -> Credential:
    row = _credential(name)
    if row is None:
        raise HostFailed(_("there is no credential “%s”") % name)
    return row


def _secret(name: str) -> str:
    row = _row(name)
    return _opened(row.key_id, bytes(row.sealed), vault.identity_of_credential(name))


@desk.asked
def _credential(name: str) -> Credential | None:
    return Credential.objects.filter(name=name).defer("digest", "public").first()


@lru_cache(maxsize=256)
def _opened(key_id: str, sealed: bytes, identity: str) -> str:
    return vault.open_sealed(key_id, sealed, identity=identity).decode()
