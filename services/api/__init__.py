"""api: the public surface: subscriptions, reports, pages, health and figures over HTTP.

request ──► web (routes, forms, templates) ──► adapters (Redis, limits) ──► core (decides and words)
"""
