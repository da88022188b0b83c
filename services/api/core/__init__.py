"""What api decides and how it says it. No I/O, no clock, no chance."""
