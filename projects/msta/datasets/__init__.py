"""Videos and their labels: lists, splits and checks (no torch), transforms and data sets (torch).

Importing this package loads neither; ``projects.msta.register`` imports what registers itself.
"""
