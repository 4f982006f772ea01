"""The admin: the inventory by hand, recipes, users and their roles.

For administrators of all games. Django's own admin with our words: what an entry of the inventory
may say is decided by the inventory, here as everywhere.
"""

from webapp.admin import credentials, games, hosts, people, recipes
from webapp.admin.site import site

__all__ = ["credentials", "games", "hosts", "people", "recipes", "site"]
