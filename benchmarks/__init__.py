"""The project's own figures, and their ratios to the Redis round trip: `python -m benchmarks`."""
