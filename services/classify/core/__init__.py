"""What a report is about. Pure: no clock, no files, no network."""
