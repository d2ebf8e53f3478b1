"""The schedules of the code and of the database, and the times at which they are fired."""
