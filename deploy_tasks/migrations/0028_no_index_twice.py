import django.db.models.deletion
from django.db import migrations, models

# By their names, and not as Django would: on SQLite that writes each table anew, which may hold
# millions of events.
DOUBLE = {
    "deploy_tasks_event_job_id_241b07e1": ("event", "job_id"),
    "deploy_tasks_event_host_run_id_646bbbf0": ("event", "host_run_id"),
    "deploy_tasks_attempt_host_run_id_04d047e0": ("attempt", "host_run_id"),
}


class Migration(migrations.Migration):

    dependencies = [
        ('deploy_tasks', '0027_host_runs_by_owner'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f'DROP INDEX IF EXISTS "{name}"',
                    f'CREATE INDEX "{name}" ON "deploy_tasks_{table}" ("{column}")',
                )
                for name, (table, column) in DOUBLE.items()
            ],
            state_operations=[
                migrations.AlterField(
                    model_name='attempt',
                    name='host_run',
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name='attempts',
                        to='deploy_tasks.hostrun',
                    ),
                ),
                migrations.AlterField(
                    model_name='event',
                    name='host_run',
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name='events',
                        to='deploy_tasks.hostrun',
                    ),
                ),
                migrations.AlterField(
                    model_name='event',
                    name='job',
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name='events',
                        to='deploy_tasks.job',
                    ),
                ),
            ],
        ),
    ]
