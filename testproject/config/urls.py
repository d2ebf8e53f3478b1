"""The demo's addresses."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView, TemplateView

urlpatterns = [
    path("", TemplateView.as_view(template_name="demo/home.html"), name="home"),
    path("homework/", include("homework.urls")),
    path("library/", include("library.urls")),
    path("report/", include("reports.urls")),
    path("requests/", include("django_jobqueue.requests.urls")),
    path("pages/", include("pages.urls")),
    path("mailbox/", include("inbox.urls")),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    # The admin's pages name no icon, so browsers request this one.
    path("favicon.ico", RedirectView.as_view(url=static("demo/icon.svg"))),
]
