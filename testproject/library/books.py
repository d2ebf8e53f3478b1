"""The books of the library, with the number of their chapters."""

BOOKS = {"Emma": 55, "Moby-Dick": 135, "Walden": 18}
