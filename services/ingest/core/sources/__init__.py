"""Sources that are no feed. Each module reads one: bytes -> ParsedFeed, as a feed's document would be read."""
