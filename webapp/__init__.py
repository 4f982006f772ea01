"""The Django project: what the browser, the command line and the API meet."""

# Without this import the web process would publish to a nameless Celery app at amqp://localhost.
from celery_app import app as celery_app

__all__ = ["celery_app"]
