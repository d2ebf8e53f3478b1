"""A reader of all admin pages, who also presses the buttons."""

import random
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import NoReverseMatch

from django_jobqueue.jobs.states import State
from tests.support.pages import FAILURES, JOBS, QUEUES, SCHEDULES, TASKS, WORKERS, page_of

LISTS = {"job": JOBS, "queue": QUEUES, "worker": WORKERS, "schedule": SCHEDULES}
MOST = 3  # rows of a list whose pages are read


class Crawler:
    """Somebody who may do everything, and looks at everything."""

    def __init__(self, client: Client, rng: random.Random) -> None:
        self._client = client
        self._rng = rng

    def crawl(self) -> None:
        """Read all lists with their filters, and pages of rows; fail at a page that is an error."""
        for url in ("/admin/", FAILURES, TASKS):
            self._get(url)
        rows: dict[str, list[str]] = {}
        for model, url in LISTS.items():
            rows[model] = self._keys(self._get(url))
        for query in self._rng.sample(self._queries(rows["queue"]), 6):
            rows["job"] += self._keys(self._get(f"{JOBS}?{urlencode(query)}"))
        for model, keys in rows.items():
            unique = sorted(set(keys))
            for key in self._rng.sample(unique, min(MOST, len(unique))):
                self._visit(model, key)
        self._act(JOBS, ("requeue_selected", "cancel_selected", "delete_selected"), rows["job"])
        self._act(QUEUES, ("pause_selected", "resume_selected"), rows["queue"])

    def _queries(self, queues: list[str]) -> list[dict[str, str]]:
        queries = [{"state": state.value} for state in State]
        queries += [{"queue": queue} for queue in queues[:MOST]]
        queries += [{"state": "failed", "task": "tests.project.tasks.noop"}, {"q": "noop"}]
        queries += [{"tag": "a"}, {"only": "retrying"}, {"time": "hour"}, {"exception": "x.Bad"}]
        return [*queries, {"order": "oldest"}, {"state": "queued", "queue": "\\xff"}]

    def _visit(self, model: str, key: str) -> None:
        for view in ("change", self._rng.choice(("history", "delete"))):
            try:
                url = page_of(model, quote(key), view)
            except NoReverseMatch:  # of an empty key: the list has no link to it
                return
            self._get(url)
        if model == "job":
            self._post(page_of(model, quote(key), self._rng.choice(("requeue", "cancel"))), {})
            if self._rng.random() < 0.3:
                self._post(page_of(model, quote(key), "delete"), {"post": "yes"})

    def _act(self, url: str, actions: tuple[str, ...], keys: list[str]) -> None:
        chosen = self._rng.sample(keys, min(3, len(keys)))
        if chosen:
            data = {"action": self._rng.choice(actions), "_selected_action": chosen, "index": 0}
            self._post(url, data)
            self._post(url, data | {"post": "yes"})

    def _get(self, url: str) -> Any:
        return self._checked(self._client.get(url, follow=True), url)

    def _post(self, url: str, data: dict[str, Any]) -> Any:
        return self._checked(self._client.post(url, data, follow=True), url)

    @staticmethod
    def _checked(response: Any, url: str) -> Any:
        # 403: a running job can't be deleted; 404: a row without a page.
        assert response.status_code in (200, 403, 404), f"{response.status_code} of {url}"
        return response

    @staticmethod
    def _keys(response: Any) -> list[str]:
        listed = (response.context or {}).get("cl")
        return [str(row.pk) for row in listed.result_list] if listed else []
