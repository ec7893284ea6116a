"""Arguments of `latent-inr` in, lines and an exit status out: one command a file."""
