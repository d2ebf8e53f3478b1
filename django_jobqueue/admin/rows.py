"""A substitute for the QuerySet of Django's ModelAdmin, for rows in Redis.

It has only the methods that the admin uses. It is not a subclass of models.QuerySet, because
Django would use the SQL features of one (fast deletes, sub-queries).
"""

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any, ClassVar, Generic, Self, TypeVar, cast, overload

from django.core.exceptions import FieldError
from django.db.models import Model, Q

from django_jobqueue.admin.source import Source

M = TypeVar("M", bound=Model)


class Query:
    """The part of a QuerySet's query that the admin reads."""

    select_related = False
    order_by: tuple[str, ...] = ()


class Rows(Generic[M]):
    """A lazy selection of rows; subclasses count and fetch them."""

    lookups: ClassVar[frozenset[str]] = frozenset()  # fields that `filter` accepts
    ordered = True
    totally_ordered = True
    _prefetch_related_lookups = ()

    def __init__(self, model: type[M], source: Source) -> None:
        self.model = model
        self.source = source
        self.query = Query()
        self.ids: tuple[str, ...] | None = None  # None: not selected by id
        self.where: dict[str, str] = {}
        self._rows: list[M] | None = None

    def count(self) -> int:
        """Return how many rows can be listed."""
        raise NotImplementedError

    def fetch(self, start: int, stop: int) -> list[M]:
        """Return the rows from `start` to before `stop`."""
        raise NotImplementedError

    def get(self, **lookups: Any) -> M:
        """Return the first row that matches the lookups.

        Raises: model.DoesNotExist; QueueUnavailable if a read failed.
        """
        found = self.filter(**lookups)._load()
        if not found:
            self.source.raise_faults()
            missing: type[Exception] = self.model.DoesNotExist  # type: ignore[attr-defined]
            raise missing(f"There is no {self.model.__name__} with {lookups}.")
        return found[0]

    def notes(self) -> list[str]:
        """Return sentences about the rows that this list leaves out."""
        return []

    @property
    def verbose_name(self) -> Any:
        return self.model._meta.verbose_name

    @property
    def verbose_name_plural(self) -> Any:
        return self.model._meta.verbose_name_plural

    def filter(self, *conditions: Q, **lookups: Any) -> Self:
        """Narrow the selection to equal fields or to a list of ids.

        Raises: FieldError for anything else.
        """
        clone = self._clone()
        for condition in conditions:
            lookups |= _lookups_in(condition)
        for name, value in lookups.items():
            clone._add_lookup(name.removesuffix("__exact"), value)
        return clone

    def none(self) -> Self:
        return self.filter(pk__in=[])

    def all(self, *names: str) -> Self:
        return self._clone()

    order_by = distinct = select_related = all  # the indexes fix the order

    def using(self, alias: str | None) -> Self:
        """Return no rows, because no database has them."""
        return self.none()

    def exists(self) -> bool:
        return self.count() > 0

    def first(self) -> M | None:
        rows = self.fetch(0, 1)
        return rows[0] if rows else None

    def iterator(self, chunk_size: int | None = None) -> Iterator[M]:
        return iter(self)

    def __iter__(self) -> Iterator[M]:
        return iter(self._load())

    def __len__(self) -> int:
        return len(self._load())

    def __bool__(self) -> bool:
        return bool(self._load())

    @overload
    def __getitem__(self, place: int) -> M: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[M]: ...
    def __getitem__(self, place: int | slice) -> M | Sequence[M]:
        if self._rows is not None:
            return self._rows[place]
        if isinstance(place, slice):
            stop = self.count() if place.stop is None else min(place.stop, self.count())
            return self.fetch(place.start or 0, stop)
        return self.fetch(place, place + 1)[0]

    def _clone(self) -> Self:
        clone = copy(self)
        clone.where = dict(self.where)
        clone._rows = None
        return clone

    def _load(self) -> list[M]:
        if self._rows is None:
            self._rows = self.fetch(0, self.count())
        return self._rows

    def _add_lookup(self, name: str, value: Any) -> None:
        key = self.model._meta.pk.name
        if name in {"pk", key}:
            self._select_ids([value])
        elif name in {"pk__in", f"{key}__in"}:
            self._select_ids(value)
        elif name in self.lookups:
            self.where[name] = str(value)
        else:
            raise FieldError(f"{self.model.__name__} can't be filtered by {name!r}.")

    def _select_ids(self, ids: Sequence[Any]) -> None:
        wanted = dict.fromkeys(str(value) for value in ids)  # without duplicates, in order
        self.ids = tuple(i for i in wanted if self.ids is None or i in self.ids)


class ListedRows(Rows[M]):
    """A selection from few rows, which are all read at once."""

    def load_all(self) -> list[M]:
        raise NotImplementedError

    def count(self) -> int:
        return len(self._load())

    def fetch(self, start: int, stop: int) -> list[M]:
        return self._load()[start:stop]

    def _load(self) -> list[M]:
        if self._rows is None:
            if self.ids == ():
                self._rows = []
            else:
                rows = self.source.cached(type(self).__name__, self.load_all)
                self._rows = [row for row in rows if self.ids is None or row.pk in self.ids]
        return self._rows


def _lookups_in(condition: Q) -> dict[str, Any]:
    """Return the lookups of a Q that joins them by AND; raise FieldError for another Q."""
    lookups: dict[str, Any] = {}
    if condition.negated or (condition.connector != Q.AND and len(condition.children) > 1):
        raise FieldError("Only lookups joined by AND are supported.")
    for child in condition.children:
        if isinstance(child, Q):
            lookups |= _lookups_in(child)
        else:
            name, value = cast(tuple[str, Any], child)
            lookups[name] = value
    return lookups
