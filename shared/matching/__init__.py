"""The matching engine: pure functions that topic rules, subscriptions and previews all use."""
