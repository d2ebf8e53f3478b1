"""The processes of a worker and a scheduler: supervisor, slots, executor, maintenance."""
