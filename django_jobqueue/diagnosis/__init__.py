"""What is going on and why, in sentences, from the live state: of one job, and of an alias."""
