"""The overview, the front page of the app: what is wrong comes first, and a script updates it."""
