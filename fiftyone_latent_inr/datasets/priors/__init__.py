"""Samples, folders and Hub repositories in, priors at hand out."""
