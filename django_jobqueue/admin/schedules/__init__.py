"""The admin of schedules: the list, the form, and the actions."""
