"""The addresses of the pages of requests, for `include("django_jobqueue.requests.urls")`."""

from django.urls import path

from django_jobqueue.requests import views

app_name = "django_jobqueue_requests"
urlpatterns = [
    path("", views.index, name="list"),
    path("<slug:public_id>/", views.page, name="page"),
    path("<slug:public_id>/cancel/", views.cancel, name="cancel"),
    path("<slug:public_id>/retry/", views.retry, name="retry"),
    path("<slug:public_id>/download/", views.download, name="download"),
]
