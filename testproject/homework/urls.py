from django.urls import path

from homework import views

app_name = "homework"
urlpatterns = [
    path("", views.assignments, name="assignments"),
    path("samples/<str:name>", views.sample, name="sample"),
    path("submissions/<int:pk>/", views.submission, name="submission"),
    path("submissions/<int:pk>/status/", views.status, name="status"),
    path("submissions/<int:pk>/again/", views.enqueue_again, name="enqueue_again"),
    path("assignments/<slug:slug>/", views.hand_in, name="hand_in"),
]
