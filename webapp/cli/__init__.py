"""``bin/patchwave``: orders, news and inventory from the command line.

What talks to the API needs no Django, so it starts at once; only ``import`` and ``token`` act on
the local instance through its management commands.
"""
