from projects.msta import compat

compat.apply()
