"""The actions of `manage.py jobqueue`, by theme; commands/jobqueue.py puts them together."""
