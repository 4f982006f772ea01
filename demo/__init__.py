"""``bin/demo``: a fleet of real SSH hosts on loopback, each with a game server, and an update.

Tests and benchmarks take their hosts and their game from here. The product imports none of it.
"""
