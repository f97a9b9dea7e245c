"""Schedules: list, make, change, delete, their ticks, and when a timetable would be due."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.clock import iso, now
from core.errors import Invalid
from core.paging import page_of
from runs.queries.documents import run_documents
from schedules import backfill_queries, queries, timetable
from schedules.api import serializers as s
from schedules.models import Backfill, Schedule, Tick
from schedules.services import backfills, schedules
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import Role
from workspaces.scopes import Act


class SchedulesView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.PUBLISH}

    @extend_schema(
        parameters=[
            OpenApiParameter("status", enum=Schedule.Status.values),
            OpenApiParameter("pipeline", description="The id of a published pipeline: its schedules."),
            OpenApiParameter("endpoint", description="The id of an endpoint: its schedules."),
        ],
        responses=listed(s.ScheduleOut),
    )
    def get(self, request: Request) -> Response:
        """The schedules."""
        query = {name: request.query_params.get(name, "") for name in ("status", "pipeline", "endpoint")}
        if query["status"] not in ("", *Schedule.Status.values):
            raise Invalid(f"'status' is one of {', '.join(Schedule.Status.values)}.")
        return self.paged(queries.schedules_in(self.context.workspace, **query), queries.document)

    @extend_schema(request=s.ScheduleIn, responses={201: s.ScheduleOut})
    def post(self, request: Request) -> Response:
        """Make a schedule."""
        return self.repeated(schedules.create(self.context, self.asked(s.ScheduleIn)))

    def repeated(self, made: Schedule) -> Response:
        return Response(queries.document(made), status=201)


class ScheduleView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.CONTRIBUTOR, "delete": Role.CONTRIBUTOR}
    acts = {"patch": Act.OWN, "delete": Act.OWN}
    conditional = frozenset({"patch"})

    @extend_schema(responses=s.ScheduleOut)
    def get(self, request: Request, id: UUID) -> Response:
        """One schedule."""
        return self._shown(queries.schedule(self.context.workspace, id))

    @extend_schema(request=s.ScheduleChange, responses=s.ScheduleOut)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change it, enable or disable it."""
        found = queries.schedule(self.context.workspace, id)
        return self._shown(schedules.change(self.context, found, self.asked(s.ScheduleChange), seen=self.seen))

    def _shown(self, found: Schedule) -> Response:
        return self.tagged(queries.document(found), schedules.state(found))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        """Remove it with its ticks. Its runs stay."""
        schedules.delete(self.context, queries.schedule(self.context.workspace, id))
        return Response(status=204)


class TicksView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(
        parameters=[OpenApiParameter("runs", bool, description="Each with its run, as the list of runs has it.")],
        responses=listed(s.TickOut),
    )
    def get(self, request: Request, id: UUID) -> Response:
        """The times at which it was due, newest first, and what became of each."""
        rows = queries.ticks_of(queries.schedule(self.context.workspace, id))
        page = self.paged(rows, lambda tick: tick, keys=("-due_at", "-id"))
        ticks: list[Tick] = page.data["items"]
        page.data["items"] = [queries.tick_document(each) for each in ticks]
        if self.flag("runs"):
            runs = [each.run for each in ticks if each.run is not None]
            found = {each["id"]: each for each in run_documents(runs, workspace=self.context.workspace.name)}
            for item in page.data["items"]:
                item["run"] = found.get(item["run_id"])
        return page


def _shown(found: Backfill) -> dict[str, Any]:
    return backfill_queries.backfill_document(found, backfill_queries.counts([found])[found.pk])


class BackfillsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.SUBMIT}

    @extend_schema(responses=listed(s.BackfillOut))
    def get(self, request: Request, id: UUID) -> Response:
        """The backfills of a schedule, newest first."""
        rows = backfill_queries.backfills_of(queries.schedule(self.context.workspace, id))
        query = self.request.query_params
        page = page_of(rows, after=query.get("after"), limit=query.get("limit"))
        counts = backfill_queries.counts(page.items)
        items = [backfill_queries.backfill_document(each, counts[each.pk]) for each in page.items]
        return Response({"items": items, "next": page.next})

    @extend_schema(request=s.BackfillIn, responses={201: s.BackfillOut})
    def post(self, request: Request, id: UUID) -> Response:
        """Run the times of a window that have not run, so many at once."""
        asked = self.asked(s.BackfillIn)
        found = queries.schedule(self.context.workspace, id)
        return self.repeated(backfills.create(self.context, found, asked["start"], asked["end"], asked["parallel"]))

    def repeated(self, made: Backfill) -> Response:
        return Response(_shown(made), status=201)


class BackfillPlanView(WorkspaceView):
    needs = {"post": Role.READER}
    acts = {"post": Act.READ}
    keeps_keys = False

    @extend_schema(request=s.WindowIn, responses=s.BackfillPlanOut)
    def post(self, request: Request, id: UUID) -> Response:
        """The times of a window, and which of them a backfill would run. Writes nothing."""
        asked = self.asked(s.WindowIn)
        found = backfill_queries.plan(queries.schedule(self.context.workspace, id), asked["start"], asked["end"])
        times = [backfill_queries.planned_document(each) for each in found]
        return Response({"times": times, "count": sum(each.is_made for each in found)})


class BackfillView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=s.BackfillOut)
    def get(self, request: Request, id: UUID, backfill: UUID) -> Response:
        """One backfill, and how far it is."""
        return Response(_shown(backfill_queries.backfill(queries.schedule(self.context.workspace, id), backfill)))


class BackfillCancelView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.SUBMIT}
    keeps_keys = False

    @extend_schema(request=None, responses=s.BackfillOut)
    def post(self, request: Request, id: UUID, backfill: UUID) -> Response:
        """Run nothing more of it. Runs that are under way go on."""
        found = backfill_queries.backfill(queries.schedule(self.context.workspace, id), backfill)
        backfills.cancel(self.context, found)
        return Response(_shown(backfill_queries.backfill(found.schedule, backfill)))


class UpcomingView(WorkspaceView):
    needs = {"post": Role.READER}
    acts = {"post": Act.READ}
    keeps_keys = False

    @extend_schema(request=s.UpcomingIn, responses=s.UpcomingOut)
    def post(self, request: Request) -> Response:
        """When a timetable would be due, were a schedule made now."""
        asked = self.asked(s.UpcomingIn)
        found, moment = timetable.read(asked["timetable"]), now()
        first = found.first(moment)
        times = [first, *timetable.upcoming(found, first, moment, asked["count"] - 1)] if first is not None else []
        return Response({"upcoming": [iso(each) for each in times]})
