"""The firing of schedules: a scheduler loads them and enqueues their jobs when they are due."""
