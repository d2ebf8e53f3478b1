from django.apps import apps
from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("login/", LoginView.as_view(template_name="admin/login.html"), name="login"),
]
if apps.is_installed("django_jobqueue.requests"):
    urlpatterns += [
        path("ask/", include("tests.project.asked_views")),
        path("requests/", include("django_jobqueue.requests.urls")),
    ]
