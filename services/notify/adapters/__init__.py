"""Reads subscriptions, owes deliveries, performs them."""
