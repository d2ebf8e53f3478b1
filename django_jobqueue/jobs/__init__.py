"""What a job is, without Redis: its record, its arguments, its attempts, its result."""
