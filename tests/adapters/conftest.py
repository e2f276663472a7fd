"""The work-arounds come before anything of MMAction2, as in ``projects.msta.register``."""

from projects.msta import compat

compat.apply()
