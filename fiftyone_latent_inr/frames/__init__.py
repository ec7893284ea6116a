"""Decoded frames in; smaller frames, scene cuts, motion and distances out. Knows no files."""
