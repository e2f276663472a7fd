"""The synthetic world of moving shapes: classes, rendering, captions, folder. No torch."""
