"""Messages reach real servers: signed, once for each id, tried again, given up and shown; who is dead holds up nobody."""

from __future__ import annotations

import base64
import ipaddress
import threading
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connections
from django.test import Client
from standardwebhooks import Webhook, WebhookVerificationError

from core import duties
from core.clock import now
from core.errors import Conflict, Unprocessable
from datasets import addresses
from notifications import queries
from notifications.models import Alert, Channel, Delivery, DeliveryAttempt, Occurrence, Rule
from notifications.services import channels, deliveries, matching, senders, watching
from runs.services.orchestration.run_transaction import run_transaction
from tests.notifications.conftest import ERROR, MailServer, Notified, Receiver
from workspaces.models import User
from workspaces.services import keyvault

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def test_a_failure_is_told_to_a_webhook_that_can_verify_it(scenario: Notified, receiver: Receiver) -> None:
    channel, key = scenario.webhook(receiver)
    scenario.rule(channels=[channel])
    run = scenario.ends("Failed", display_name="nightly")
    scenario.send()
    (call,) = receiver.calls
    # By the library that receivers use.
    found = Webhook(key).verify(call.body, call.headers)
    assert (found["type"], found["data"]["count"], found["data"]["workspace"]) == ("run.failed", 1, "lab")
    (alert,) = found["data"]["alerts"]
    assert alert["title"] == "nightly #1 failed at the step train"
    assert (
        alert["why"] == "Your script (exit code 1): ValueError: Input contains NaN." and alert["where"] == "step.py:7"
    )
    assert alert["run"]["id"] == str(run.pk) and urlsplit(alert["url"]).path == f"/w/lab/runs/{run.pk}/"
    assert alert["since"] and found["id"] == call.headers["webhook-id"]
    with pytest.raises(WebhookVerificationError):
        Webhook(key).verify(call.body.replace(b"failed", b"filled"), call.headers)
    assert key.encode() not in bytes(Channel.objects.get().sealed or b"") and base64.b64decode(key[6:])
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.tries, delivery.attempts.get().code) == ("sent", 1, 204)
    scenario.send()
    assert len(receiver.calls) == 1


def test_the_log_is_opened_at_the_line_of_its_last_error(scenario: Notified, receiver: Receiver) -> None:
    scenario.rule(channels=[scenario.webhook(receiver)[0]])
    root = scenario.pipeline("train", status="Running")
    attempt = scenario.attempt(scenario.step(root, "train"))
    lines = b'hello\nTraceback (most recent call last):\n  File "step.py", line 7\nValueError: Input contains NaN.\n'
    assert scenario.bring(attempt, "log?offset=0", lines).status_code in (200, 204), "the log"
    with run_transaction(root.pk) as locked:
        locked.move("Failed", finished_at=now(), error=ERROR)
    scenario.send()
    (alert,) = receiver.calls[0].document["data"]["alerts"]
    assert alert["log_url"].endswith(f"/runs/{root.pk}/?step=train&tab=logs#L2")


def test_what_fails_is_tried_again_later_each_time_then_given_up_and_sent_again(
    scenario: Notified, receiver: Receiver
) -> None:
    scenario.rule(channels=[scenario.webhook(receiver)[0]])
    scenario.ends("Failed")
    waits = []
    for number in range(len(deliveries.RETRY_SECONDS) + 1):
        receiver.answer(503, b"busy", **({"Retry-After": "3000"} if number == 0 else {}))
        scenario.retry()
        delivery = Delivery.objects.get()
        waits.append((delivery.send_at - now()).total_seconds())
    assert delivery.status == "dead" and delivery.why == "It answers 503."
    assert 2900 < waits[0] <= 3000 and all(10 < sooner < later for sooner, later in pairwise(waits[1:-1]))
    attempts = list(DeliveryAttempt.objects.order_by("number"))
    assert [each.code for each in attempts] == [503] * len(attempts) and len(attempts) == len(receiver.calls) == 8
    assert attempts[0].answer == "busy" and {each.headers["webhook-id"] for each in receiver.calls} == {
        f"msg_{delivery.pk.hex}"
    }
    assert len({each.body for each in receiver.calls}) == 1
    scenario.retry()
    assert len(receiver.calls) == 8
    answer = scenario.post(f"notifications/deliveries/{delivery.pk}/again/")
    assert (answer.status_code, answer.json()["status"]) == (202, "due")
    assert scenario.post(f"notifications/deliveries/{delivery.pk}/again/").json()["error"]["code"] == "under_way"
    scenario.send()
    shown = scenario.get(f"notifications/deliveries/{delivery.pk}/").json()
    assert (shown["status"], len(shown["attempts"]), shown["attempts"][-1]["code"]) == ("sent", 9, 204)
    assert scenario.get("notifications/deliveries/", status="dead").json()["items"] == []


def test_a_receiver_that_is_gone_is_believed(scenario: Notified, receiver: Receiver) -> None:
    scenario.rule(channels=[scenario.webhook(receiver)[0]])
    scenario.ends("Failed")
    receiver.answer(410)
    scenario.send()
    assert Delivery.objects.get().status == "dead" and len(receiver.calls) == 1


def test_who_answers_and_then_goes_silent_has_answered(
    scenario: Notified, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "SECONDS", 1)
    scenario.rule(channels=[scenario.webhook(receiver)[0]])
    scenario.ends("Failed")
    receiver.answer(200, b"so far", **{"Content-Length": "100000"})
    receiver.stays.clear()
    scenario.send()
    receiver.stays.set()
    assert Delivery.objects.get().status == "sent" and DeliveryAttempt.objects.get().answer == "so far"
    # One that says a letter now and then, and never a status, is not waited for.
    receiver.open.clear()
    scenario.ends("Failed")
    scenario.send()
    receiver.open.set()
    assert "No answer within 1 s" in Delivery.objects.get(status="due").why


def test_redirects_are_not_followed(scenario: Notified, receiver: Receiver) -> None:
    scenario.rule(channels=[scenario.webhook(receiver)[0]])
    scenario.ends("Failed")
    for place in (receiver.url("/elsewhere"), "http://169.254.169.254/latest/meta-data/"):
        receiver.answer(307, Location=place)
        scenario.retry()
    assert [each.path for each in receiver.calls] == ["/hook", "/hook"]
    assert "redirect, which is not followed" in Delivery.objects.get().why


def test_private_addresses_are_refused_when_written_and_when_a_name_leads_there(
    scenario: Notified, receiver: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, _key = scenario.webhook(receiver)
    settings.DUTO = replace(settings.DUTO, fetch_private=False)
    for url in (
        "http://127.0.0.1/",
        "https://[::1]:8000/x",
        "http://169.254.169.254/",
        "http://10.0.0.1/hook",
        "http://[::ffff:127.0.0.1]/",
    ):
        body = {"name": "inside", "kind": "slack", "url": url}
        refused = scenario.post("notifications/channels/", body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "private_address"), url
        with pytest.raises(Unprocessable):
            channels.change(scenario.context, channel, {"url": url})
    # The one that was allowed before, and a name that is looked up at each message: what was checked is connected to.
    scenario.rule(channels=[channel])
    scenario.ends("Failed")
    scenario.send()
    first = Delivery.objects.get()
    assert first.status == "dead" and "DUTO_FETCH_PRIVATE" in first.why and not receiver.calls
    port = urlsplit(receiver.url()).port
    named, _key = channels.create(
        scenario.context, {"name": "by name", "kind": "webhook", "url": f"http://hooks.example.com:{port}/"}
    )
    asked = []

    def rebinding(host: str, port: int) -> list[addresses.Address]:
        """A name of the open internet at the first look, of this machine at each after it."""
        asked.append(host)
        return [ipaddress.ip_address("93.184.216.34" if len(asked) == 1 else "127.0.0.1")]

    monkeypatch.setattr(addresses, "resolve", rebinding)
    monkeypatch.setattr(senders, "SECONDS", 1)
    (test,) = deliveries.test(scenario.context, named)
    scenario.send()
    test.refresh_from_db()
    # Looked up once, and not there: no second look led to this machine.
    assert (len(asked), test.status) == (1, "due") and not receiver.calls
    scenario.retry()
    test.refresh_from_db()
    assert test.status == "dead" and "DUTO_FETCH_PRIVATE" in test.why and not receiver.calls


def test_who_is_silent_holds_up_nobody(scenario: Notified, receiver: Receiver, settings: Any) -> None:
    silent = Receiver()
    silent.open.clear()
    dead, _key = channels.create(scenario.context, {"name": "dead", "kind": "webhook", "url": silent.url()})
    good, _key = scenario.webhook(receiver)
    for number, channel in enumerate((dead, dead, good)):
        scenario.rule(name=f"rule {number}", channels=[channel], digest_minutes=0)
    scenario.ends("Failed")
    scenario.gathered()
    # A worker that hangs at the dead one, and the others that go on meanwhile.
    hanging = threading.Thread(target=_work)
    hanging.start()
    while not silent.calls:
        hanging.join(0.01)
    deliveries.deliver_all()
    assert len(receiver.calls) == 1 and hanging.is_alive()
    silent.answer(500)
    silent.open.set()
    hanging.join(60)
    failed = Delivery.objects.get(channel=dead)
    assert (failed.status, failed.tries) == ("due", 1)
    # From now on the dead one has a lane of its own.
    silent.open.clear()
    deliveries.test(scenario.context, dead)
    deliveries.test(scenario.context, good)
    deliveries.deliver_all()
    assert len(receiver.calls) == 2 and len(silent.calls) == 1
    silent.open.set()
    # The first success makes it quick again.
    scenario.retry()
    scenario.send()
    assert not Delivery.objects.exclude(status="sent").exists()
    silent.server.shutdown()
    silent.server.server_close()


def _work() -> None:
    deliveries.deliver_all()
    connections.close_all()


def test_who_dies_between_sending_and_writing_is_followed_under_the_same_id(
    scenario: Notified, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario.rule(channels=[scenario.webhook(receiver)[0]])
    scenario.ends("Failed")
    scenario.gathered()

    def dies(claim: object, outcome: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(deliveries, "_settle", dies)
        deliveries.deliver_all()
    deliveries.deliver_all()
    assert len(receiver.calls) == 1
    # Nobody else may have it while the one who claimed it might still live; then another does.
    Delivery.objects.update(claimed_at=now() - deliveries.CLAIM - timedelta(seconds=1))
    deliveries.deliver_all()
    assert len(receiver.calls) == 2 and len({each.headers["webhook-id"] for each in receiver.calls}) == 1
    assert len({each.body for each in receiver.calls}) == 1
    assert Delivery.objects.get().status == "sent" and DeliveryAttempt.objects.count() == 1


def test_a_mail_says_it_all_in_both_forms_and_can_be_ended_by_one_click(scenario: Notified, mail: MailServer) -> None:
    # One that is a word of addresses, too: they lead on.
    keyvault.set_values(scenario.context, {"db": "s3cr3t-Value\nsecond line", "word": "runs"})
    asked = {"name": "team", "kind": "email", "recipients": ["ana@example.org", "bea@example.org"]}
    channel, _key = channels.create(scenario.context, asked)
    scenario.rule(channels=[channel])
    error = {"cause": "user_error", "message": "no <b>login</b> with s3cr3t-Value, second line", "step": "train"}
    scenario.ends("Failed", error=error, display_name="night\nly")
    scenario.send()
    assert sorted(to for (to,), _mail in mail.mails) == ["ana@example.org", "bea@example.org"]
    (_to, letter) = next(each for each in mail.mails if each[0] == ["bea@example.org"])
    assert (
        letter["Subject"] == "[lab] night ly #1 failed at the step train"
        and letter["From"] == "Duto <duto@example.org>"
    )
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click" and letter["Message-ID"]
    text, html = letter.get_body(("plain",)), letter.get_body(("html",))
    assert text is not None and html is not None
    for part in (text.get_content(), html.get_content()):
        assert "s3cr3t" not in part and "second line" not in part and "***" in part
        assert "/runs/" in part and "tab=logs" in part
    assert "<b>login" not in html.get_content() and "&lt;b&gt;login" in html.get_content()
    link = urlsplit(letter["List-Unsubscribe"].strip(" <>")).path
    visitor = Client(enforce_csrf_checks=True)
    assert visitor.get(link).status_code == 200 and Channel.objects.get().unsubscribed == []
    assert visitor.post(link, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert Channel.objects.get().unsubscribed == ["bea@example.org"]
    scenario.ends("Failed")
    scenario.send()
    assert sorted(to for (to,), _mail in mail.mails) == ["ana@example.org", "ana@example.org", "bea@example.org"]
    visitor.post(link, {"back": "1"})
    assert Channel.objects.get().unsubscribed == []
    assert visitor.get(f"{link[:-5]}xxxx/").status_code == 404


def test_an_address_that_the_server_refuses_is_given_up_and_the_others_get_theirs(
    scenario: Notified, mail: MailServer
) -> None:
    mail.refused = {"gone@example.org": "550 No such user", "later@example.org": "451 Try later"}
    addresses_ = ["gone@example.org", "later@example.org", "ana@example.org"]
    channel, _key = channels.create(scenario.context, {"name": "team", "kind": "email", "recipients": addresses_})
    deliveries.test(scenario.context, channel)
    scenario.send()
    found = dict(Delivery.objects.values_list("address", "status"))
    assert found == {"gone@example.org": "dead", "later@example.org": "due", "ana@example.org": "sent"}
    assert "550" in Delivery.objects.get(status="dead").why
    ((_to, letter),) = mail.mails
    assert letter["Subject"] == "[lab] Test of notifications"
    # A mailbox that is away for now does not make the mail server one that is slow.
    deliveries.test(scenario.context, channel)
    deliveries.deliver_all()
    assert len(mail.mails) == 2 and Delivery.objects.filter(status="due").count() == 2


def test_a_mail_server_that_is_away_costs_nothing_but_time(scenario: Notified, mail: MailServer, settings: Any) -> None:
    channel, _key = channels.create(
        scenario.context, {"name": "team", "kind": "email", "recipients": ["ana@example.org"]}
    )
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    deliveries.test(scenario.context, channel)
    scenario.send()
    assert Delivery.objects.get().status == "due" and "could not be spoken to" in Delivery.objects.get().why
    settings.EMAIL_PORT = port
    scenario.retry()
    assert Delivery.objects.get().status == "sent" and len(mail.mails) == 1


def test_ones_own_mail_goes_to_the_address_that_one_has_confirmed(scenario: Notified, mail: MailServer) -> None:
    asked = {"name": "mine", "is_own": True, "scope": "mine", "events": ["failed"], "by_email": True}
    with pytest.raises(Conflict) as refused:
        scenario.rule(**asked)
    assert refused.value.code == "no_address"
    browser = Client()
    browser.force_login(scenario.owner, backend="django.contrib.auth.backends.ModelBackend")
    browser.post("/w/lab/settings/notifications/address/", {"address": "me@example.org"})
    scenario.send()
    ((to, letter),) = mail.mails
    assert to == ["me@example.org"]
    body = letter.get_body(("plain",))
    assert body is not None
    link = next(word for word in body.get_content().split() if word.startswith("http") and "/notifications/" in word)
    with pytest.raises(Conflict):
        scenario.rule(**asked)
    assert Client().post(urlsplit(link).path).status_code == 200
    rule = scenario.rule(**asked)
    scenario.ends("Failed")
    scenario.send()
    assert mail.mails[-1][0] == ["me@example.org"] and len(mail.mails) == 2
    Client().post(urlsplit(mail.mails[-1][1]["List-Unsubscribe"].strip(" <>")).path)
    rule.refresh_from_db()
    assert not rule.by_email
    # What was confirmed once is asked for no more, in whatever workspace; nor is the address of the account.
    count = Delivery.objects.filter(purpose="confirm").count()
    browser.post("/w/lab/settings/notifications/address/", {"address": "me@example.org"})
    User.objects.filter(pk=scenario.owner.pk).update(email="ana@example.org")
    browser.post("/w/lab/settings/notifications/address/", {"address": "ana@example.org"})
    assert Delivery.objects.filter(purpose="confirm").count() == count
    assert queries.mail_address_of(User.objects.get(pk=scenario.owner.pk)) == "ana@example.org"
    # Addresses may be anybody's, so one person has few of them asked.
    for number in range(deliveries.MOST_CONFIRMATIONS):
        browser.post("/w/lab/settings/notifications/address/", {"address": f"a{number}@example.org"})
    assert Delivery.objects.filter(purpose="confirm").count() == deliveries.MOST_CONFIRMATIONS


def test_two_workers_that_take_up_the_same_tell_it_once_in_one_message(scenario: Notified, receiver: Receiver) -> None:
    scenario.rule(channels=[scenario.webhook(receiver)[0]])
    for _ in range(30):
        scenario.ends("Failed")
    rows = list(Occurrence.objects.order_by("id"))
    faults: list[BaseException] = []

    def work(order: list[Occurrence]) -> None:
        try:
            for each in order:
                matching.match(each)
        except BaseException as fault:
            faults.append(fault)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work, args=[order]) for order in (rows, rows[::-1], rows[10:] + rows[:10])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not faults and not Occurrence.objects.exists()
    assert Alert.objects.count() == 30 == Delivery.objects.get().count


def test_the_ticker_looks_and_workers_do_the_work() -> None:
    found = duties.registered()
    assert (
        (1, deliveries.wake_workers) in found
        and (15, watching.wake_worker) in found
        and (600, deliveries.prune) in found
    )


def test_keys_are_encrypted_anew_with_the_secrets(scenario: Notified, receiver: Receiver, settings: Any) -> None:
    channel, key = scenario.webhook(receiver)
    before = bytes(Channel.objects.get().sealed or b"")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = (
        [settings.SECRET_KEY],
        "another key of thirty-two letters and more",
    )
    keyvault.rotate()
    settings.SECRET_KEY_FALLBACKS = []
    found = Channel.objects.get()
    assert bytes(found.sealed or b"") != before and channels.unsealed(found) == (receiver.url(), key)
    settings.SECRET_KEY = "a third key, which nobody has encrypted under"
    with pytest.raises(Conflict) as refused:
        channels.unsealed(found)
    assert refused.value.code == "undecipherable"
    deliveries.test(scenario.context, channel)
    scenario.send()
    assert Delivery.objects.get().status == "dead" and "DUTO_OLD_SECRET_KEYS" in Delivery.objects.get().why


def test_what_is_old_is_forgotten(scenario: Notified, receiver: Receiver) -> None:
    channel, _key = scenario.webhook(receiver)
    deliveries.test(scenario.context, channel)
    scenario.send()
    deliveries.prune()
    assert Delivery.objects.count() == 1
    Delivery.objects.update(created_at=now() - deliveries.KEPT - timedelta(days=1))
    deliveries.prune()
    assert not Delivery.objects.exists() and not Rule.objects.exists() and matching.MUTED


def test_who_takes_a_message_slowly_keeps_the_others_waiting_once(
    scenario: Notified, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, _key = scenario.webhook(receiver)
    deliveries.test(scenario.context, channel)
    deliveries.deliver_all()
    DeliveryAttempt.objects.update(seconds=deliveries.SLOW + 1)
    deliveries.test(scenario.context, channel)
    other, _key = scenario.webhook(receiver, name="other")
    deliveries.test(scenario.context, other)
    deliveries.deliver_all()
    assert [each.channel_id for each in Delivery.objects.filter(status="due")] == [channel.pk]
    deliveries.deliver_all(is_slow=True)
    assert not Delivery.objects.filter(status="due").exists()
    deliveries.test(scenario.context, channel)
    monkeypatch.setattr(deliveries, "SLOW_FOR", timedelta(seconds=-1))
    deliveries.deliver_all()
    assert not Delivery.objects.filter(status="due").exists(), "it is slow for a while alone"
