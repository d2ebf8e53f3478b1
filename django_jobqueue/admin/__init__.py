"""The admin of jobs, queues and workers, which shows the live state in Redis, and of schedules.

A custom site registers the same classes: `site.register(Job, JobAdmin)`.
"""

from django.contrib import admin

from django_jobqueue.admin.jobs.admin import JobAdmin
from django_jobqueue.admin.queues import QueueAdmin
from django_jobqueue.admin.schedules.admin import ScheduleAdmin
from django_jobqueue.admin.workers import WorkerAdmin
from django_jobqueue.models import Job, Queue, Schedule, Worker

__all__ = ["JobAdmin", "QueueAdmin", "ScheduleAdmin", "WorkerAdmin"]

admin.site.register(Job, JobAdmin)
admin.site.register(Queue, QueueAdmin)
admin.site.register(Schedule, ScheduleAdmin)
admin.site.register(Worker, WorkerAdmin)
