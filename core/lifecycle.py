"""Rows whose status changes only along their MOVES, one process at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self, cast
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models.options import Options
from django.dispatch import Signal

from core.errors import ConcurrentUpdate, IllegalMove
from core.ids import uuid7

# A row has moved: `sender` is its class, with `row`, `to` (its status now) and `facts` (what else was set). What a receiver
# raises undoes the move.
transitioned = Signal()


def write_all(rows: Sequence[models.Model], fields: Sequence[str]) -> None:
    """Write these fields of these rows in one go: Django's `bulk_update` takes seconds for some hundred documents."""
    if len(rows) == 1:
        rows[0].save(update_fields=list(fields))
    elif rows:
        meta = type(rows[0])._meta
        columns: list[models.Field[Any, Any]] = [*(_column(meta, name) for name in fields), meta.pk]
        quoted = [connection.ops.quote_name(str(each.column)) for each in columns]
        values = ", ".join(f"{name} = %s" for name in quoted[:-1])
        table = connection.ops.quote_name(meta.db_table)
        with connection.cursor() as cursor:
            cursor.executemany(
                f"UPDATE {table} SET {values} WHERE {quoted[-1]} = %s",  # noqa: S608 - names of our own columns
                [[each.get_db_prep_save(getattr(row, each.attname), connection) for each in columns] for row in rows],
            )


def _column(meta: Options[Any], name: str) -> models.Field[Any, Any]:
    return cast("models.Field[Any, Any]", meta.get_field(name))


class Row(models.Model):
    """What every table of the studio starts with."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True


class Lifecycle(Row):
    """A row with a status. Nobody writes `.status =`: move() changes, guards and tells in one."""

    KIND: ClassVar[str]
    MOVES: ClassVar[dict[str, frozenset[str]]]
    objects: ClassVar[models.Manager[Self]]

    status = models.CharField(max_length=16)

    class Meta:
        abstract = True

    def on_transition(self, to: str, facts: dict[str, Any]) -> None:
        """Tell that this row has moved, inside the transaction: to those who have connected to `transitioned`."""
        transitioned.send(type(self), row=self, to=to, facts=facts)

    def may(self, to: str) -> bool:
        return to in self.MOVES[self.status]

    @property
    def is_final(self) -> bool:
        return not self.MOVES[self.status]

    @transaction.atomic(savepoint=False)
    def move(self, to: str, **facts: Any) -> None:
        """Change the status and tell of it, unless another process got here first.

        Raises IllegalMove when the table has no such move, Outrun when the stored status is no longer ours.
        """
        if not self.may(to):
            raise IllegalMove(f"This {self.KIND} is {self.status} and cannot become {to}.", status=self.status, to=to)
        untouched = type(self).objects.filter(pk=self.pk, status=self.status)
        if not untouched.update(status=to, **facts):
            raise ConcurrentUpdate(f"This {self.KIND} is no longer {self.status}.", status=self.status, to=to)
        for name, value in {**facts, "status": to}.items():
            setattr(self, name, value)
        self.on_transition(to, facts)

    @classmethod
    @transaction.atomic(savepoint=False)
    def move_all(cls, rows: Sequence[Self], to: str, fields: Iterable[str] = (), **facts: Any) -> None:
        """Move many rows at once: two statements however many rows. Values in `fields` are already set on the rows.

        Raises as move() does, for all of them or none.
        """
        if not rows:
            return
        for row in rows:
            if not row.may(to):
                raise IllegalMove(f"This {cls.KIND} is {row.status} and cannot become {to}.", status=row.status, to=to)
        froms = {row.status for row in rows}
        keys: list[UUID] = [row.pk for row in rows]
        moved = cls.objects.filter(pk__in=keys, status__in=froms).update(status=to, **facts)
        if moved != len(rows):
            raise ConcurrentUpdate(f"{len(rows) - moved} of {len(rows)} rows were moved by another process.", to=to)
        for row in rows:
            for name, value in {**facts, "status": to}.items():
                setattr(row, name, value)
        names = list(fields)
        if names:
            write_all(rows, names)
        for row in rows:
            row.on_transition(to, facts)
