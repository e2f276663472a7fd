"""From a folder of videos to a recogniser: collect, split, choose a recipe, train, report."""
