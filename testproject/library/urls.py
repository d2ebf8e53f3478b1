from django.urls import path

from library import views

app_name = "library"
urlpatterns = [path("", views.DeskView.as_view(), name="desk")]
