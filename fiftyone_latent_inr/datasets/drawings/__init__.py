"""Fitted samples in, drawn videos and the fields that show them out."""
