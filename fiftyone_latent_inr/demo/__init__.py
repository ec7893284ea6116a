"""Bundled and generated clips in, a searchable dataset and one picture out."""
