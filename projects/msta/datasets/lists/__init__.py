"""Lists of videos: annotations, splits, published lists, checks. No torch."""
