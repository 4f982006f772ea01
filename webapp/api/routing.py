"""The API's routers: a call that does not declare what it takes cannot be added."""

from collections.abc import Callable
from typing import Any

import ninja
from django.core.exceptions import ImproperlyConfigured


class Router(ninja.Router):
    def add_api_operation(
        self, path: str, methods: list[str], view_func: Callable[..., Any], **options: Any
    ) -> None:
        if not hasattr(view_func, "takes"):
            raise ImproperlyConfigured(f"{path}: {view_func.__name__} declares no access.takes")
        super().add_api_operation(path, methods, view_func, **options)
