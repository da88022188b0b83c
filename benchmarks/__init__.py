"""Measurements, each as a ratio to a bare loop in the same run: `make bench`."""
