"""Frames in, what their fit starts from out: networks that many videos share, as files, from a folder or the Hub."""
