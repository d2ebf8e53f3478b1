"""The job without Redis: its record, arguments, attempts and result."""
