"""The installed package in, a plugin that the App finds out."""
