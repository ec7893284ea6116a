"""A seed in, drawn clips of coloured shapes with captions out."""
