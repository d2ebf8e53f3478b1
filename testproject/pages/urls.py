from django.urls import path

from pages import views

app_name = "pages"
urlpatterns = [
    path("", views.checks, name="checks"),
    path("status/", views.status, name="status"),
]
