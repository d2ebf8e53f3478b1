"""Run a task from the admin: a form of its arguments, for a new job or for one that is edited."""
