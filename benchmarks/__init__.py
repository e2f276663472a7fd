"""Speed beside plain and reference implementations; pre-training of the tiny model."""
