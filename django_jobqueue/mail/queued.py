"""An e-mail backend that stores each mail as a job; a worker sends it with another backend."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from django_jobqueue import compat, conf
from django_jobqueue.exceptions import JobQueueError, PayloadTooLarge
from django_jobqueue.jobs.context import JobContext
from django_jobqueue.mail import sending
from django_jobqueue.mail.packing import Packed, pack, unpack
from django_jobqueue.task import task

RUN_TIMEOUT = 300.0  # seconds of one attempt: a server that hangs must not hold a slot for ever


class QueuedEmailBackend(BaseEmailBackend):
    """Store mails as jobs, whose workers send them with the mailer `using`.

    Without Django's setting MAILERS, `OPTIONS["MAIL_BACKEND"]` names the backend that sends.
    """

    def __init__(
        self,
        fail_silently: bool = False,
        *,
        using: str | None = None,
        queue_name: str = compat.DEFAULT_TASK_QUEUE_NAME,
        task_backend: str = compat.DEFAULT_TASK_BACKEND_ALIAS,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if username or password:
            raise ValueError(
                "QueuedEmailBackend takes no username and password, which it would have to store "
                "in Redis: set those of the mailer that sends."
            )
        _check_using(using, kwargs.get("alias"))
        self.fail_silently = fail_silently
        self.using = using
        self.task = deliver.using(queue_name=queue_name, backend=task_backend)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Store a job for each mail that has recipients; return how many these are.

        Raises: TypeError; PayloadTooLarge and QueueUnavailable unless `fail_silently`.
        """
        calls = [
            (message.recipients(), pack(message), self.using)
            for message in email_messages
            if message.recipients()
        ]
        try:
            self.task.enqueue_many(calls)
        except JobQueueError as error:
            if self.fail_silently:
                return 0
            raise _explained(error) from error
        return len(calls)

    def sending_backend(self) -> BaseEmailBackend:
        """Return the backend that sends what this one stores."""
        return sending_backend(self.using, self.task.backend)


@task(
    takes_context=True,
    max_attempts=sending.ATTEMPTS,
    backoff=sending.pause,
    timeout=RUN_TIMEOUT,
    sensitive=["mail"],
)
def deliver(context: JobContext, to: list[str], mail: Packed, using: str | None) -> None:
    """Send a queued mail; `to` is for those who look at the job."""
    sending_backend(using, context.task_result.backend).send_messages([unpack(mail)])


def sending_backend(using: str | None, task_backend: str) -> BaseEmailBackend:
    """Return the backend that sends queued mails.

    Raises: ImproperlyConfigured if it would queue them again.
    """
    found = sending.backend(using, conf.load(task_backend).mail_backend)
    if isinstance(found, QueuedEmailBackend):
        option = f'TASKS["{task_backend}"]["OPTIONS"]["MAIL_BACKEND"]'
        place = f'MAILERS["{using}"]' if using else option
        raise ImproperlyConfigured(
            f"{place} has to send what a QueuedEmailBackend stores, and is one itself: name a "
            "backend that really sends, such as django.core.mail.backends.smtp.EmailBackend."
        )
    return found


def default_sending_backend() -> BaseEmailBackend:
    """Return the backend of the project's mails, or the one that sends them if that queues them."""
    found = sending.default_backend()
    return found.sending_backend() if isinstance(found, QueuedEmailBackend) else found


def _check_using(using: str | None, alias: str | None) -> None:
    if alias is not None and using in (None, alias):
        raise ImproperlyConfigured(
            f'MAILERS["{alias}"]["OPTIONS"]["using"] is {using!r}: name the other mailer of '
            'MAILERS that sends what this one stores, such as {"using": "smtp"}.'
        )


def _explained(error: JobQueueError) -> JobQueueError:
    if not isinstance(error, PayloadTooLarge):
        return error
    return PayloadTooLarge(
        f"A mail is too large to be queued: {error} Attachments count a third more than their "
        'bytes. Mail a link instead, raise OPTIONS["MAX_PAYLOAD"], or send the mail with the '
        "backend that sends the queued ones."
    )
