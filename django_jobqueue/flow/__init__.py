"""What holds for many jobs together."""
