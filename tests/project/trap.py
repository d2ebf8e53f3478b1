"""A module that a test proves is never imported."""
