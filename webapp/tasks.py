"""What workers do for people outside: each message is a bell, as in deploy_tasks.tasks."""

from celery import shared_task
from django.db import close_old_connections

from webapp.calls import sending


@shared_task(ignore_result=True)
def tell(call_id: int) -> None:
    try:
        sending.tell(call_id)
    finally:
        close_old_connections()
