"""All that runs in a process of ours: supervisor, slots, executor, maintenance."""
