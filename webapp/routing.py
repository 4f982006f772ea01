"""The addresses of the sockets."""

from channels.routing import URLRouter
from django.urls import path, re_path

from webapp.consumers import JobConsumer, NoSuchPath
from webapp.doorman import SameSite

websockets = SameSite(
    URLRouter(
        [
            path("ws/jobs/<int:job_id>/", JobConsumer.as_asgi()),
            re_path(r"", NoSuchPath.as_asgi()),
        ]
    )
)
