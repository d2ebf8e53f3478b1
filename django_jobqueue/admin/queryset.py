"""What the stock ModelAdmin takes for a QuerySet, over rows that stand in Redis.

It offers only what the admin uses. It is no subclass of models.QuerySet on purpose: Django
would find the SQL paths of one (fast deletes, sub-queries) and take them.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any, ClassVar, Generic, Self, TypeVar, cast, overload

from django.core.exceptions import FieldError
from django.db.models import Model, Q

from django_jobqueue.admin.source import Source

M = TypeVar("M", bound=Model)


class Query:
    """The part of a QuerySet's query that the admin looks at."""

    select_related = False
    order_by: tuple[str, ...] = ()


class Rows(Generic[M]):
    """A lazy selection of rows. A subclass knows how to count and fetch them."""

    lookups: ClassVar[frozenset[str]] = frozenset()  # fields that `filter` takes
    ordered = True
    totally_ordered = True
    _prefetch_related_lookups = ()

    def __init__(self, model: type[M], source: Source) -> None:
        self.model = model
        self.source = source
        self.query = Query()
        self.ids: tuple[str, ...] | None = None  # None: not chosen by id
        self.where: dict[str, str] = {}
        self._rows: list[M] | None = None

    def count(self) -> int:
        """Return how many rows can be listed."""
        raise NotImplementedError

    def fetch(self, start: int, stop: int) -> list[M]:
        """Return the rows from `start` to before `stop`."""
        raise NotImplementedError

    def get(self, **lookups: Any) -> M:
        """Return one row by its primary key, with all that its page shows.

        Raises: model.DoesNotExist; JobQueueError when it can't be read.
        """
        raise NotImplementedError

    def missing(self, lookups: dict[str, Any]) -> Exception:
        error: type[Exception] = self.model.DoesNotExist  # type: ignore[attr-defined]
        return error(f"There is no {self.model.__name__} with {lookups}.")

    def notes(self) -> list[str]:
        """Return what a reader must know of this list: sentences about what it leaves out."""
        return []

    @property
    def verbose_name(self) -> Any:
        return self.model._meta.verbose_name

    @property
    def verbose_name_plural(self) -> Any:
        return self.model._meta.verbose_name_plural

    def filter(self, *conditions: Q, **lookups: Any) -> Self:
        """Narrow by equality of fields, or to a list of ids.

        Raises: FieldError for anything else.
        """
        clone = self._clone()
        for condition in conditions:
            lookups |= _pairs(condition)
        for name, value in lookups.items():
            clone._narrow(name.removesuffix("__exact"), value)
        return clone

    def none(self) -> Self:
        return self.filter(pk__in=[])

    def all(self) -> Self:
        return self._clone()

    def using(self, alias: str | None) -> Self:
        """Return nothing: no database has these rows."""
        return self.none()

    def order_by(self, *names: str) -> Self:
        return self._clone()

    def distinct(self, *names: str) -> Self:
        return self._clone()

    def select_related(self, *names: str) -> Self:
        return self._clone()

    def exists(self) -> bool:
        return self.count() > 0

    def first(self) -> M | None:
        rows = self.fetch(0, 1)
        return rows[0] if rows else None

    def iterator(self, chunk_size: int | None = None) -> Iterator[M]:
        return iter(self)

    def __iter__(self) -> Iterator[M]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __bool__(self) -> bool:
        return bool(self._all())

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

    def _all(self) -> list[M]:
        if self._rows is None:
            self._rows = self.fetch(0, self.count())
        return self._rows

    def _narrow(self, name: str, value: Any) -> None:
        key = self.model._meta.pk.name
        if name in {"pk", key}:
            self._choose([value])
        elif name in {"pk__in", f"{key}__in"}:
            self._choose(value)
        elif name in self.lookups:
            self.where[name] = str(value)
        else:
            raise FieldError(f"{self.model.__name__} can't be filtered by {name!r}.")

    def _choose(self, ids: Sequence[Any]) -> None:
        wanted = dict.fromkeys(str(value) for value in ids)  # once each, in order
        self.ids = tuple(i for i in wanted if self.ids is None or i in self.ids)


class ListedRows(Rows[M]):
    """Rows that are few: all are read at once."""

    def everything(self) -> list[M]:
        raise NotImplementedError

    def count(self) -> int:
        return len(self._all())

    def fetch(self, start: int, stop: int) -> list[M]:
        return self._all()[start:stop]

    def _all(self) -> list[M]:
        if self._rows is None:
            if self.ids == ():
                self._rows = []
            else:
                rows = self.source.once(type(self).__name__, self.everything)
                self._rows = [row for row in rows if self.ids is None or row.pk in self.ids]
        return self._rows

    def get(self, **lookups: Any) -> M:
        rows = self.filter(**lookups)._all()
        if not rows:
            self.source.insist()
            raise self.missing(lookups)
        return rows[0]


def _pairs(condition: Q) -> dict[str, Any]:
    """Return the lookups of a Q that joins them by AND."""
    pairs: dict[str, Any] = {}
    if condition.negated or (condition.connector != Q.AND and len(condition.children) > 1):
        raise FieldError("Only lookups joined by AND are supported.")
    for child in condition.children:
        if isinstance(child, Q):
            pairs |= _pairs(child)
        else:
            name, value = cast(tuple[str, Any], child)
            pairs[name] = value
    return pairs
