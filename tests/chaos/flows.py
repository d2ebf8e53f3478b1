"""The workflows of the load, whose members fail, wait for keys and expire like other jobs."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from django_jobqueue import chain, group
from django_jobqueue.flow.signatures import EVENTS, Flow, IfFailed, Signature
from tests.chaos import jobs, tasks
from tests.chaos.features import FLOWS, NARROW, OF_MEMBERS, Feature
from tests.chaos.jobs import PRIORITIES, QUEUES, SEVERAL, Kind, Planned, lanes, stumbling
from tests.chaos.options import Options

FAILS = (0, 0, 0, 0, 0, 1, 2, 99)  # attempts of a member that fail
IN_CHAIN, IN_GROUP = 3, 5  # members


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFlow:
    """One workflow of the load: a chain, or a group with a chain in it and a member after it."""

    feature: Feature
    members: tuple[Planned, ...]
    callbacks: dict[str, Planned]
    if_failed: IfFailed

    def __iter__(self) -> Iterator[Planned]:
        yield from self.members
        yield from self.callbacks.values()

    def __len__(self) -> int:
        return len(self.members) + len(self.callbacks)

    def build(self) -> Flow:
        """Return what a user writes."""
        one, two, *rest = map(_signature, self.members)
        flow: Flow = chain(one, two, *rest)
        if self.feature is Feature.GROUP:
            three, four, five = rest
            flow = group(one, chain(two, three), four).then(five)
        for event, planned in self.callbacks.items():
            flow = getattr(flow, event)(planned.called.s(planned.number, len(self.members)))
        return flow


Call = list[Planned] | PlannedFlow


def plan(options: Options, rng: random.Random) -> list[Call]:
    """Return the load: jobs, chains and groups, in the order of their calls."""
    flows: list[PlannedFlow] = []
    number = options.jobs
    for feature in FLOWS:
        stop = number + options.jobs // len(Feature)
        while number < stop:
            flows.append(_flow(number, feature, options, rng))
            number += len(flows[-1])
    alone = jobs.plan(options.jobs - sum(map(len, flows)), options, rng)
    calls: list[Call] = [*alone, *flows]
    rng.shuffle(calls)
    return calls


def _flow(number: int, feature: Feature, options: Options, rng: random.Random) -> PlannedFlow:
    followers = (1, 2) if feature is Feature.CHAIN else (2, 4)  # take the results of others
    size = IN_CHAIN if feature is Feature.CHAIN else IN_GROUP
    events = EVENTS if feature is Feature.GROUP else EVENTS[-1:]
    members = tuple(_member(number + n, feature, n in followers, options, rng) for n in range(size))
    callbacks = {
        event: Planned(
            number=number + size + n,
            kind=Kind.NOOP,
            queue=rng.choice(QUEUES),
            priority=0,
            task=tasks.hear,
            argument=size,
            features=frozenset([feature]),
        )
        for n, event in enumerate(events)
    }
    if_failed: IfFailed = "continue" if rng.random() < SEVERAL else "stop"
    return PlannedFlow(feature=feature, members=members, callbacks=callbacks, if_failed=if_failed)


def _member(
    number: int, feature: Feature, follows: bool, options: Options, rng: random.Random
) -> Planned:
    features = frozenset([feature])
    if rng.random() < SEVERAL:
        features |= {rng.choice(OF_MEMBERS)}
    return Planned(
        number=number,
        kind=Kind.RETRY,
        queue=NARROW if Feature.NARROW in features else rng.choice(QUEUES),
        priority=rng.choice(PRIORITIES),
        features=features,
        lane=rng.randrange(lanes(options)),
        **stumbling(tasks.relay if follows else tasks.stumble, rng.choice(FAILS)),
    )


def _signature(planned: Planned) -> Signature:
    signature: Signature = planned.called.s(*planned.arguments)
    return signature
