"""A storm of faults over real servers and workers, and the verdict: `python -m tests.chaos`."""
