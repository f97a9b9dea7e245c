"""Rules, channels, mutes and deliveries: list, make, change, delete; tests, keys, and sending again."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Invalid, NotFound
from notifications import messages, queries
from notifications.api import serializers as s
from notifications.models import Channel, Delivery, Mute, Rule
from notifications.services import channels, deliveries, rules
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import Role
from workspaces.scopes import Act


class RulesView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.READER}
    acts = {"post": Act.MANAGE}

    @extend_schema(responses=listed(s.RuleOut))
    def get(self, request: Request) -> Response:
        """The rules of the workspace and the caller's own."""
        return self.paged(queries.rules_in(self.context), queries.rule_document)

    @extend_schema(request=s.RuleIn, responses={201: s.RuleOut})
    def post(self, request: Request) -> Response:
        """Make a rule: of the workspace, which contributors may, or one's own."""
        return self.repeated(rules.create(self.context, self.asked(s.RuleIn)))

    def repeated(self, made: Rule) -> Response:
        return Response(queries.rule_document(made), status=201)


class RuleView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.READER, "delete": Role.READER}
    acts = {"patch": Act.MANAGE, "delete": Act.MANAGE}
    conditional = frozenset({"patch"})

    @extend_schema(responses=s.RuleOut)
    def get(self, request: Request, id: UUID) -> Response:
        """One rule."""
        return self._shown(queries.rule(self.context, id))

    @extend_schema(request=s.RuleChange, responses=s.RuleOut)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change it, or mute it until a time."""
        found = queries.rule(self.context, id)
        return self._shown(rules.change(self.context, found, self.asked(s.RuleChange), seen=self.seen))

    def _shown(self, found: Rule) -> Response:
        return self.tagged(queries.rule_document(found), rules.state(found))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        """Remove it."""
        rules.delete(self.context, queries.rule(self.context, id))
        return Response(status=204)


class ChannelsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.OWNER}
    acts = {"post": Act.MANAGE}
    # The key is told once: an answer that is kept would tell it again.
    keeps_keys = False

    @extend_schema(responses=listed(s.ChannelOut))
    def get(self, request: Request) -> Response:
        """The channels."""
        return self.paged(queries.channels_in(self.context), queries.channel_document)

    @extend_schema(request=s.ChannelIn, responses={201: s.ChannelMade})
    def post(self, request: Request) -> Response:
        """Make a channel. Of a webhook the answer has the key, which is told this once."""
        made, key = channels.create(self.context, self.asked(s.ChannelIn))
        return Response({**queries.channel_document(made), "key": key}, status=201)


class ChannelView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.OWNER, "delete": Role.OWNER}
    acts = {"patch": Act.MANAGE, "delete": Act.MANAGE}
    conditional = frozenset({"patch"})

    @extend_schema(responses=s.ChannelOut)
    def get(self, request: Request, id: UUID) -> Response:
        """One channel."""
        return self._shown(queries.channel(self.context, id))

    @extend_schema(request=s.ChannelChange, responses=s.ChannelOut)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change its name, address or recipients."""
        found = queries.channel(self.context, id)
        return self._shown(channels.change(self.context, found, self.asked(s.ChannelChange), seen=self.seen))

    def _shown(self, found: Channel) -> Response:
        return self.tagged(queries.channel_document(found), channels.state(found))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        """Remove it with its deliveries."""
        channels.delete(self.context, queries.channel(self.context, id))
        return Response(status=204)


class TestView(WorkspaceView):
    needs = {"post": Role.OWNER}
    acts = {"post": Act.MANAGE}
    keeps_keys = False

    @extend_schema(request=None, responses={202: s.DeliveryOut(many=True)})
    def post(self, request: Request, id: UUID) -> Response:
        """Send a message by it that says that it is a test."""
        made: list[Delivery] = deliveries.test(self.context, queries.channel(self.context, id))
        return Response([queries.delivery_document(each) for each in made], status=202)


class KeyView(WorkspaceView):
    needs = {"post": Role.OWNER}
    acts = {"post": Act.MANAGE}
    keeps_keys = False

    @extend_schema(request=None, responses=s.KeyOut)
    def post(self, request: Request, id: UUID) -> Response:
        """Another key for a webhook; the one before it signs nothing more."""
        found: Channel = queries.channel(self.context, id)
        return Response({"key": channels.new_key(self.context, found)})


class MutesView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.MANAGE}

    @extend_schema(responses=listed(s.MuteOut))
    def get(self, request: Request) -> Response:
        """Pipelines that are muted now."""
        return self.paged(queries.mutes_in(self.context), queries.mute_document)

    @extend_schema(request=s.MuteIn, responses={201: s.MuteOut})
    def post(self, request: Request) -> Response:
        """Mute a pipeline, or until another time."""
        asked = self.asked(s.MuteIn)
        return self.repeated(rules.mute_pipeline(self.context, asked["pipeline"], asked["until"]))

    def repeated(self, made: Mute) -> Response:
        return Response(queries.mute_document(made), status=201)


class MuteView(WorkspaceView):
    needs = {"delete": Role.CONTRIBUTOR}
    acts = {"delete": Act.MANAGE}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        """Rules tell of the pipeline again."""
        found = queries.mutes_in(self.context).filter(pk=id).first()
        if found is None:
            raise NotFound("There is no such mute in this workspace.")
        rules.unmute_pipeline(self.context, found)
        return Response(status=204)


class DeliveriesView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(
        parameters=[
            OpenApiParameter("status", enum=Delivery.Status.values),
            OpenApiParameter("channel", description="The id of a channel: its messages."),
            OpenApiParameter("rule", description="The id of a rule: its messages."),
        ],
        responses=listed(s.DeliveryOut),
    )
    def get(self, request: Request) -> Response:
        """Messages, newest first, and what became of each."""
        query = {name: request.query_params.get(name, "") for name in ("status", "channel", "rule")}
        if query["status"] not in ("", *Delivery.Status.values):
            raise Invalid(f"'status' is one of {', '.join(Delivery.Status.values)}.")
        return self.paged(queries.deliveries_in(self.context, **query), queries.delivery_document)


class DeliveryView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=s.WholeDelivery)
    def get(self, request: Request, id: UUID) -> Response:
        """One message: what it tells, and each try."""
        found = queries.delivery(self.context, id)
        return Response(queries.whole_delivery(self.context, found, messages.LISTED_FOR_PROGRAMS))


class AgainView(WorkspaceView):
    needs = {"post": Role.READER}
    acts = {"post": Act.MANAGE}
    keeps_keys = False

    @extend_schema(request=None, responses={202: s.DeliveryOut})
    def post(self, request: Request, id: UUID) -> Response:
        """Try a message that was given up, or sent, once more. One's own, or as an owner."""
        found = queries.delivery(self.context, id)
        return Response(queries.delivery_document(deliveries.send_again(self.context, found)), status=202)
