"""Samples with stored videos in, the same ones out, with better files where there is something to gain."""
