"""Fitted networks in, pixels out: frames of any size, at any instant, fast."""
