"""Fitted networks and instants in, pixels out: frames of any size, at any instant, fast."""
