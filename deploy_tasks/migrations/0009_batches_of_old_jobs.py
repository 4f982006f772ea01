"""Jobs from before batches had rows get theirs; what has ended has its gates open."""

from django.db import migrations


def make_rows(apps, schema_editor):
    Job = apps.get_model("deploy_tasks", "Job")
    Batch = apps.get_model("deploy_tasks", "Batch")
    HostRun = apps.get_model("deploy_tasks", "HostRun")
    ended = ("succeeded", "failed", "cancelled")
    for job in Job.objects.only("pk", "state", "rollout").iterator():
        numbers = HostRun.objects.filter(job=job).values_list("batch", flat=True).distinct()
        has_canary = bool(job.rollout.get("canary"))
        Batch.objects.bulk_create(
            Batch(
                job=job,
                n=n,
                canary=has_canary and n == 1,
                gate="open" if job.state in ended else "closed",
            )
            for n in sorted(numbers)
        )


class Migration(migrations.Migration):

    dependencies = [
        ('deploy_tasks', '0008_batches'),
    ]

    operations = [
        migrations.RunPython(make_rows, migrations.RunPython.noop),
    ]
