"""The kits of the tests, one file each."""
