"""A video in, a `LatentVideo` out: the whole of a fit, for one video or many."""
