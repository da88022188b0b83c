"""Decides what is sent and when. Knows no network, no store and no clock."""
