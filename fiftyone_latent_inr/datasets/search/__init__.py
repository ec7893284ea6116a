"""A text in, the samples that it describes out."""
