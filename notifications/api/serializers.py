"""What rules, channels, mutes and deliveries look like on the wire."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from notifications.models import Channel, Delivery, Rule

MOST = 100_000


class _RuleFields(serializers.Serializer[Any]):
    is_active = serializers.BooleanField(required=False)
    scope = serializers.ChoiceField(Rule.Scope.choices, required=False, help_text="Left out: workspace.")
    pipeline = serializers.UUIDField(required=False, allow_null=True, help_text="Of the scope pipeline.")
    endpoint = serializers.UUIDField(required=False, allow_null=True, help_text="Of the scope endpoint.")
    monitor = serializers.UUIDField(required=False, allow_null=True, help_text="Of the scope monitor.")
    late_minutes = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST,
        allow_null=True,
        help_text="null: after the 95th percentile of the runs before.",
    )
    wait_minutes = serializers.IntegerField(required=False, min_value=1, max_value=MOST)
    digest_minutes = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST,
        help_text="What comes so soon after a message waits for the next.",
    )
    channels = serializers.ListField(
        child=serializers.UUIDField(), required=False, help_text="Whom a rule of the workspace tells.", max_length=100
    )
    by_email = serializers.BooleanField(required=False, help_text="Of one's own rule.")
    by_browser = serializers.BooleanField(required=False, help_text="Of one's own rule.")
    muted_until = serializers.DateTimeField(required=False, allow_null=True)


class RuleIn(_RuleFields):
    name = serializers.CharField(max_length=120)
    is_own = serializers.BooleanField(required=False, help_text="Whether it tells the caller alone.")
    events = serializers.ListField(child=serializers.ChoiceField(Rule.Event.choices), max_length=20)


class RuleChange(_RuleFields):
    """What is left out stays."""

    name = serializers.CharField(required=False, max_length=120)
    events = serializers.ListField(child=serializers.ChoiceField(Rule.Event.choices), required=False, max_length=20)


class RuleOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    is_own = serializers.BooleanField()
    is_active = serializers.BooleanField()
    scope = serializers.CharField()
    pipeline_id = serializers.UUIDField(allow_null=True)
    endpoint_id = serializers.UUIDField(allow_null=True)
    monitor_id = serializers.UUIDField(allow_null=True)
    events = serializers.ListField(child=serializers.CharField())
    late_minutes = serializers.IntegerField(allow_null=True)
    wait_minutes = serializers.IntegerField()
    digest_minutes = serializers.IntegerField()
    channels = serializers.ListField(child=serializers.UUIDField())
    by_email = serializers.BooleanField()
    by_browser = serializers.BooleanField()
    muted_until = serializers.DateTimeField(allow_null=True)
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class _ChannelFields(serializers.Serializer[Any]):
    url = serializers.CharField(
        required=False, write_only=True, max_length=2000, help_text="Kept encrypted, shown never."
    )
    recipients = serializers.ListField(child=serializers.CharField(), required=False, max_length=50)


class ChannelIn(_ChannelFields):
    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(Channel.Kind.choices)


class ChannelChange(_ChannelFields):
    """What is left out stays."""

    name = serializers.CharField(required=False, max_length=120)


class ChannelOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.CharField()
    host = serializers.CharField(help_text="Of a webhook: all that is shown of its address.")
    recipients = serializers.ListField(child=serializers.CharField())
    unsubscribed = serializers.ListField(child=serializers.CharField())
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class ChannelMade(ChannelOut):
    key = serializers.CharField(help_text="By which messages of a webhook are signed: told this once. Empty of others.")


class KeyOut(serializers.Serializer[Any]):
    key = serializers.CharField()


class MuteIn(serializers.Serializer[Any]):
    pipeline = serializers.UUIDField()
    until = serializers.DateTimeField()


class MuteOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    pipeline_id = serializers.UUIDField()
    until = serializers.DateTimeField()
    created_by = serializers.CharField(allow_null=True)


class DeliveryOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    purpose = serializers.CharField(help_text="alerts, test or confirm.")
    rule_id = serializers.UUIDField(allow_null=True)
    channel_id = serializers.UUIDField(allow_null=True)
    way = serializers.CharField()
    address = serializers.CharField()
    status = serializers.ChoiceField(Delivery.Status.choices)
    count = serializers.IntegerField(help_text="How many alerts it tells.")
    tries = serializers.IntegerField()
    send_at = serializers.DateTimeField(allow_null=True, help_text="When it is tried next.")
    settled_at = serializers.DateTimeField(allow_null=True)
    why = serializers.CharField(help_text="Why the last try failed.")
    created_at = serializers.DateTimeField()


class DeliveryAttemptOut(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    started_at = serializers.DateTimeField()
    seconds = serializers.FloatField()
    code = serializers.IntegerField(allow_null=True)
    error = serializers.CharField()
    answer = serializers.CharField(allow_null=True, help_text="For owners.")


class WholeDelivery(DeliveryOut):
    alerts = serializers.ListField(child=serializers.DictField(), help_text="At most 50.")
    attempts = DeliveryAttemptOut(many=True)
