"""What is true of this installation as a whole."""

import secrets

from django.db import models


def new_epoch() -> str:
    return secrets.token_hex(4)


def new_links_key() -> str:
    return secrets.token_hex(32)


class Instance(models.Model):
    """One row. A watcher that knew another ``epoch`` forgets all and starts at 0."""

    epoch = models.CharField(max_length=16, default=new_epoch)
    #: Signs the links by which workers fetch artifacts.
    links_key = models.CharField(max_length=64, default=new_links_key)

    def __str__(self) -> str:
        return self.epoch

    @classmethod
    def current(cls) -> "Instance":
        return cls.objects.get_or_create(pk=1)[0]

    @classmethod
    def hold(cls) -> None:
        """Keeps out, until the transaction ends, all others who decide about hosts of any job."""
        list(cls.objects.select_for_update().values_list("pk"))


class Worker(models.Model):
    """A worker process that lives, or lived: ``seen_at`` is renewed every few seconds.

    ``owner`` names the process for good; see `deploy_tasks.owner`.
    """

    owner = models.CharField(max_length=80, unique=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.owner
