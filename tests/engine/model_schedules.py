"""The scripts of schedules in plain Python."""

from collections.abc import Sequence
from typing import Any

from .model import Refused
from .model_scripts import Model

MINUTE = 60_000  # ms


class ScheduleModel(Model):
    """All scripts but those of workflows."""

    def schedule(self, name: str) -> dict[str, str]:
        """Return what is known of a schedule; of a key that is no hash: nothing."""
        found = self.keys.get(f"schedule:{name}")
        return found if isinstance(found, dict) else {}

    def since_of(self, name: str, rule: str) -> int | None:
        found = self.schedule(name)
        if f"since:{rule}" not in found:
            return None
        return max(int(found[f"since:{rule}"]), int(found.get("high_water", 0)))

    def register_schedules(self, schedules: Sequence[str] = (), *, scheduler: str) -> list[str]:
        if self.full:
            raise Refused("maxmemory")
        self.zadd("schedulers", scheduler, self.now)
        reply = [str(self.now)]
        for name, rule in zip(schedules[::2], schedules[1::2], strict=True):
            schedule_key = f"schedule:{name}"
            if not isinstance(self.keys.get(schedule_key), dict):
                self.keys.pop(schedule_key, None)
            for field, seen in list(self.schedule(name).items()):
                kind, _, other = field.partition(":")
                if kind == "seen" and other != rule and self.now - int(seen) > MINUTE:
                    self.drop(schedule_key, f"seen:{other}", f"since:{other}")
            if self.since_of(name, rule) is None:
                self.hset(schedule_key, **{f"since:{rule}": self.now})
            if (self.since_of(name, rule) or 0) > self.now + MINUTE:
                self.hset(schedule_key, **{f"since:{rule}": self.now, "high_water": self.now})
            self.hset(schedule_key, **{f"seen:{rule}": self.now})
            self.zadd("schedules", name, self.now)
            reply.append(str(self.since_of(name, rule)))
        return reply

    def fire(
        self, job: Sequence[Any], *, name: str, rule: str, nominal: int, overlap: str
    ) -> list[str]:
        since, schedule_key = self.since_of(name, rule), f"schedule:{name}"
        if self.fields(job[0]).get("state"):
            stored = self.enqueue(job)[0]
            if since is not None and nominal > since:
                self.raise_high_water(schedule_key, nominal)
            return ["fired", stored]
        if since is None or nominal <= since:
            return ["known"]
        at, _, begun = self.schedule(name).get("firing", "").partition(" ")
        if at == str(nominal) and (state := self.fields(begun).get("state")):
            self.complete(begun, state, "")
            self.raise_high_water(schedule_key, nominal)
            return ["known"]
        is_held = bool(job[7:8] == ("unique",) and self.duplicate_of(job[0], job[8]))
        if is_held or (overlap == "skip" and self.is_open(self.schedule(name).get("job", ""))):
            self.raise_high_water(schedule_key, nominal)
            self.increase(schedule_key, "overlapped")
            return ["overlap"]
        if self.full:
            raise Refused("maxmemory")
        self.hset(schedule_key, firing=f"{nominal} {job[0]}")
        self.enqueue(job)
        self.hset(schedule_key, high_water=nominal, nominal=nominal, fired_at=self.now, job=job[0])
        self.increase(schedule_key, "fired")
        return ["fired", str(self.now)]

    def raise_high_water(self, schedule_key: str, nominal: int) -> None:
        if self.full:
            raise Refused("maxmemory")
        self.hset(schedule_key, high_water=nominal)

    def record_missed(self, *, name: str, rule: str, since: int, nominal: int, count: int) -> int:
        if self.since_of(name, rule) != since:
            return 0
        if self.full:
            raise Refused("maxmemory")
        self.hset(f"schedule:{name}", high_water=nominal, missed_at=self.now)
        self.increase(f"schedule:{name}", "missed", count)
        return 1

    def run_now(self, job: Sequence[Any], *, name: str) -> str:
        known = self.fields(job[0]).get("state")
        stored: str = self.enqueue(job)[0]
        if known and "job" in self.schedule(name):
            return stored
        is_hash = isinstance(self.keys.get(f"schedule:{name}"), dict)
        if is_hash and self.full:
            raise Refused("maxmemory")
        if not is_hash:
            self.keys.pop(f"schedule:{name}", None)
        _, _, holder = stored.partition(" ")
        self.hset(f"schedule:{name}", job=holder.split(" ")[0] or job[0])
        self.zadd("schedules", name, self.now)
        return stored

    def forget_schedule(self, *, name: str, unseen: int, gone: int) -> int:
        names = self.until("schedules", self.now - unseen) + ([name] if name else [])
        for each in names:
            self.drop("schedules", each)
            self.keys.pop(f"schedule:{each}", None)
        schedulers = self.until("schedulers", self.now - gone)
        if len(schedulers) == len(self.keys.get("schedulers", ())):
            schedulers = schedulers[:-1]
        for each in schedulers:
            self.drop("schedulers", each)
        return len(names)
