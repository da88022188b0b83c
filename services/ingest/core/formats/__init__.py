"""The forms in which feeds come. Each module reads one: bytes -> ParsedFeed."""
