"""Train and test from a config: launching, ranks, checks of a config."""
