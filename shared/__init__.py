"""What two services may know of each other: events, names, subscriptions, the bus, the matching engine.

Nothing here knows a service.
"""
