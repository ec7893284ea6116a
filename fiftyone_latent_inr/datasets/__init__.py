"""Samples of a FiftyOne dataset in, fields, files, indexes and records of runs out."""
