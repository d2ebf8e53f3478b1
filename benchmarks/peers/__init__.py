"""Other queues, side by side: each in an environment of its own, with its own defaults."""
