"""The `tocsin` command: the one place that knows every service."""
