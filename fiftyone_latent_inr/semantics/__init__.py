"""Frames and texts in, vectors of one space out: teachers, which are OpenCLIP models, and scores of what they find."""
