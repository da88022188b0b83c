"""What api reads from and writes to Redis."""
