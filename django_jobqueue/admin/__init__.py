"""The admin of jobs, queues and workers, on the live state in Redis, and of schedules.

A site of one's own registers the same classes: `site.register(Job, JobAdmin)`.
"""

from django.contrib import admin

from django_jobqueue.admin.job import JobAdmin
from django_jobqueue.admin.queue import QueueAdmin
from django_jobqueue.admin.schedule import ScheduleAdmin
from django_jobqueue.admin.worker import WorkerAdmin
from django_jobqueue.models import Job, Queue, Schedule, Worker

__all__ = ["JobAdmin", "QueueAdmin", "ScheduleAdmin", "WorkerAdmin"]

admin.site.register(Job, JobAdmin)
admin.site.register(Queue, QueueAdmin)
admin.site.register(Schedule, ScheduleAdmin)
admin.site.register(Worker, WorkerAdmin)
