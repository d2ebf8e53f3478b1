"""The settings of the tests with the theme django-unfold."""

from tests.project import settings
from tests.project.settings import *  # noqa: F403 - a settings module that changes one setting

INSTALLED_APPS = ["unfold", *settings.INSTALLED_APPS]
