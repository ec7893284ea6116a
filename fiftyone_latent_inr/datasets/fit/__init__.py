"""Samples of videos in, fitted samples out: files, fields, index and record."""
