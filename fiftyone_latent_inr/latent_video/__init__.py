"""Networks in, the bytes of a `.linr` file out, and back: the stored video that draws and embeds."""
