"""Tests; packages, so that helpers import as `tests.videos` whatever else is installed."""
