"""Where classify meets the outside."""
