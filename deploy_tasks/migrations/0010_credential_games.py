from django.db import migrations, models


def lend(apps, schema_editor):
    """What hosts and variables name today stays theirs to name."""
    Credential = apps.get_model("deploy_tasks", "Credential")
    Game = apps.get_model("deploy_tasks", "Game")
    Host = apps.get_model("deploy_tasks", "Host")
    through = Credential.games.through
    hosts = Host.objects.order_by()
    pairs = set(hosts.values_list("credential", "game").distinct())
    pairs |= set(hosts.exclude(via=None).values_list("via__credential", "game").distinct())
    secrets = dict(Credential.objects.filter(kind="secret").values_list("name", "pk"))
    if secrets:
        for game, given in [
            *Game.objects.values_list("pk", "vars"),
            *hosts.exclude(vars={}).values_list("game", "vars"),
        ]:
            named = (value for value in given.values() if isinstance(value, str))
            pairs |= {(secrets[name], game) for name in named if name in secrets}
    through.objects.bulk_create(
        [through(credential_id=credential, game_id=game) for credential, game in sorted(pairs)],
        batch_size=500,
    )


class Migration(migrations.Migration):

    dependencies = [
        ("deploy_tasks", "0009_batches_of_old_jobs"),
    ]

    operations = [
        migrations.AddField(
            model_name="credential",
            name="games",
            field=models.ManyToManyField(
                blank=True,
                related_name="credentials",
                to="deploy_tasks.game",
                verbose_name="games",
            ),
        ),
        migrations.RunPython(lend, migrations.RunPython.noop),
    ]
