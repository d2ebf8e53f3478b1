"""The admin of jobs: the list, the page of one job, and the actions."""
