"""The four services. None imports another: they meet in the streams and in `shared`."""
