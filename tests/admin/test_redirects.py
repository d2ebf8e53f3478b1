"""What a request says never decides to which site its answer leads."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from tests.admin.conftest import Seed
from tests.support.pages import JOBS, QUEUES, page_of

ELSEWHERE = "//elsewhere.example/"
ASKING = (
    f"?next={ELSEWHERE}&next_url={ELSEWHERE}&url={ELSEWHERE}&_changelist_filters=x%3D{ELSEWHERE}"
)


def assert_stays(response: Any) -> None:
    assert response.status_code == 302
    place = urlsplit(response["Location"])
    assert (place.scheme, place.netloc) == ("", "")
    assert place.path.startswith("/admin/")


@pytest.mark.parametrize("state", ["queued", "failed"])
def test_buttons_lead_to_the_admin(admin_client: Client, seed: Seed, state: str) -> None:
    job_id = getattr(seed, state)()
    verb = {"queued": "cancel", "failed": "requeue"}[state]
    for name in (verb, "delete"):
        form = {"post": "yes", "next": ELSEWHERE}
        assert_stays(admin_client.post(page_of("job", job_id, name) + ASKING, form))
    assert_stays(admin_client.get(page_of("job", job_id) + ASKING))  # it is gone


def test_actions_lead_to_the_admin(admin_client: Client, seed: Seed) -> None:
    job_id = seed.queued()
    for url, action, chosen in (
        (JOBS, "cancel_selected", job_id),
        (QUEUES, "pause_selected", "default"),
    ):
        form = {"action": action, "_selected_action": chosen, "index": 0, "next": ELSEWHERE}
        # A list that does not know a filter leads to itself without it.
        assert_stays(admin_client.post(url + ASKING, form))
