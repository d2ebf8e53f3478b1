"""A private Valkey or Redis server for the demo and the tests, started and stopped by its owner."""
