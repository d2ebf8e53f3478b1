from django.contrib.auth.decorators import login_required
from django.urls import path
from django.views.generic import ListView

from homework.models import Assignment
from homework.views import HandInView

app_name = "homework"
assignments = ListView.as_view(model=Assignment, template_name="homework/assignments.html")
urlpatterns = [
    path("", login_required(assignments), name="assignments"),
    path("assignments/<slug:slug>/", HandInView.as_view(), name="hand_in"),
]
