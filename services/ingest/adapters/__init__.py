"""What ingest touches: the network, parse workers, Redis."""
