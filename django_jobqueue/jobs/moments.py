"""The times of jobs as callers see them."""

from datetime import UTC, datetime
from functools import cache, lru_cache

from django.conf import settings
from django.core.signals import setting_changed
from django.utils import timezone


def moment(ms: int | None) -> datetime | None:
    """Return ms since the epoch as a datetime, aware if and only if USE_TZ."""
    return in_zone(ms) if ms else None


def in_zone(ms: int) -> datetime:
    """Return what `moment` does of a time that is there.

    A naive one is in the zone of the settings, whatever is activated: so databases store it.
    """
    aware = _aware(ms)
    return aware if _use_tz() else timezone.make_naive(aware, timezone.get_default_timezone())


@lru_cache(maxsize=1)  # the jobs of one call were stored at one time
def _aware(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


@cache
def _use_tz() -> bool:
    """Return USE_TZ, cached because reading it costs as much as making the datetime."""
    return settings.USE_TZ


def _settings_changed(*, setting: str, **_: object) -> None:
    if setting == "USE_TZ":
        _use_tz.cache_clear()


setting_changed.connect(_settings_changed)
