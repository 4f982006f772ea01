import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from deploy_tasks.audit import chain

GENESIS = '0' * 64


def link(apps, schema_editor):
    """What was written before there was a chain becomes its beginning."""
    entries = apps.get_model('deploy_tasks', 'AuditEntry').objects.order_by('pk')
    number, last = 0, GENESIS
    for entry in entries.iterator(chunk_size=2000):
        entry.number, entry.previous = number + 1, last
        entry.details = chain.plain(entry.details)
        parts = {name: getattr(entry, name) for name in chain.PARTS if name != 'actor'}
        entry.hash = chain.digest({**parts, 'actor': entry.actor_id, 'at': entry.at})
        entry.save(update_fields=['number', 'previous', 'hash', 'details'])
        number, last = entry.number, entry.hash
    apps.get_model('deploy_tasks', 'AuditHead').objects.create(pk=1, number=number, hash=last)


class Migration(migrations.Migration):

    dependencies = [
        ('deploy_tasks', '0005_calls'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditHead',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.BigIntegerField(default=0)),
                ('hash', models.CharField(default=GENESIS, max_length=64)),
                ('archived', models.BigIntegerField(default=0)),
                ('archived_hash', models.CharField(default=GENESIS, max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name='LateAudit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('entry', models.JSONField()),
            ],
        ),
        migrations.AlterField(
            model_name='auditentry',
            name='actor',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='auditentry',
            name='at',
            field=models.DateTimeField(db_index=True),
        ),
        migrations.AddField(
            model_name='auditentry',
            name='address',
            field=models.CharField(blank=True, default='', max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='auditentry',
            name='game',
            field=models.CharField(blank=True, default='', max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='auditentry',
            name='hash',
            field=models.CharField(default='', max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='auditentry',
            name='number',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='auditentry',
            name='previous',
            field=models.CharField(max_length=64, null=True),
        ),
        migrations.RunPython(link, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='auditentry',
            name='number',
            field=models.BigIntegerField(unique=True),
        ),
        migrations.AlterField(
            model_name='auditentry',
            name='previous',
            field=models.CharField(max_length=64, unique=True),
        ),
        migrations.AddConstraint(
            model_name='auditentry',
            constraint=models.CheckConstraint(condition=models.Q(('number__gte', 1)), name='audit_counts_from_one'),
        ),
    ]
