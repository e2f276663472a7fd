"""Projects built on MMAction2."""
