"""The settings of a worker on replicated servers, which TEST_SETTINGS names as JSON."""

import json
import os

from .settings import *  # noqa: F403

globals().update(json.loads(os.environ["TEST_SETTINGS"]))
