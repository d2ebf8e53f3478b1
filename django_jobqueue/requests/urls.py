"""The addresses of the pages of requests, for `include("django_jobqueue.requests.urls")`."""

from django.urls import URLPattern

app_name = "django_jobqueue_requests"
urlpatterns: list[URLPattern] = []
