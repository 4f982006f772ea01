"""What Patchwave costs, measured beside what others cost in the same run. See ``bin/bench -h``.

Each module measures one thing.
"""
