"""The version, of package and plugin alike (`fiftyone.yml` says it too)."""

__version__ = "0.1.0"
