"""Many videos in, a `Prior` out."""
