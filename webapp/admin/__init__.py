"""The admin: the inventory by hand, recipes, users and their roles.

For maintainers, and for administrators the people: everybody sees the rows they may change, and no
others. Django's own admin with our words: what an entry of the inventory may say is decided by the
inventory, and who may change what by `webapp.access`, here as everywhere.
"""

from webapp.admin import credentials, games, grants, hosts, listed_keys, people, recipes
from webapp.admin.site import site

__all__ = ["credentials", "games", "grants", "hosts", "listed_keys", "people", "recipes", "site"]
