"""An app that kills its process once, right before a call to Redis.

TEST_KILL names the call, such as "Claims.finish", and a file that is made then.
"""

import os
import signal
from pathlib import Path
from typing import Any

from django.apps import AppConfig

from django_jobqueue.engine.claims import Claims
from django_jobqueue.engine.jobs import Jobs


class KilledAt(AppConfig):
    name = "tests.project.killed_at"
    label = "killed_at"
    path = str(Path(__file__).parent)

    def ready(self) -> None:
        call, file = os.environ["TEST_KILL"].split(" ")
        owner, name = call.split(".")
        cls: Any = {"Claims": Claims, "Jobs": Jobs}[owner]
        real = getattr(cls, name)

        def killed(*args: Any, **kwargs: Any) -> Any:
            if not Path(file).exists():
                Path(file).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        setattr(cls, name, killed)
