"""What ingest decides: entries into reports, what is new, when to poll next. No I/O, no clock, no chance."""
