"""The daemon with a real broker: what must arrive arrives, whatever happens on the way."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from conftest import Consumer, Gateway, Mosquitto, incident, payload, wait_for

pytestmark = pytest.mark.slow
Consume = Callable[..., Consumer]

INPUT = '{ mqtt = "plant/pump1/raw" }'


def phases(consumer: Consumer) -> list[str]:
    return [event["data"]["phase"] for event in consumer.events]


def wait_counter(consumer: Consumer, name: str, least: int) -> dict[str, int]:
    def found() -> dict[str, int] | None:
        statuses = [s for s in consumer.statuses() if "counters" in s]
        return statuses[-1]["counters"] if statuses and statuses[-1]["counters"][name] >= least else None

    counters: dict[str, int] = wait_for(found, f"{name} >= {least}")
    return counters


def start_listening(broker: Mosquitto, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "vedette", "listen", "--broker", f"{broker.host}:{broker.port}", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def send(consumer: Consumer, topic: str, payloads: list[str]) -> None:
    for text in payloads:
        consumer.publish(topic, text)


def test_an_incident_over_mqtt_becomes_new_and_end(gateway: Gateway, mosquitto: Mosquitto, consume: Consume) -> None:
    gateway.configure(INPUT)
    consumer = consume("vedette/#")
    gateway.start()
    gateway.wait_connected()
    send(consumer, "plant/pump1/raw", incident(1000.0))
    wait_for(lambda: phases(consumer) == ["new", "end"], "new and end")
    new, end = consumer.events
    assert {topic for topic, _ in consumer.seen if "alert" in topic} == {"vedette/gw7/alert/s1"}
    assert new["source"] == "/gw7/s1"
    assert new["data"]["alert_id"] == end["data"]["alert_id"]
    assert new["data"]["start"] == "1970-01-01T00:16:46.000Z"
    assert new["data"]["historical"] is True
    assert end["data"]["end"] == "1970-01-01T00:16:48.000Z"
    assert gateway.stop() == 0


def test_the_status_is_retained_and_says_what_runs(gateway: Gateway, mosquitto: Mosquitto, consume: Consume) -> None:
    gateway.configure(INPUT)
    gateway.start()
    gateway.wait_connected()
    consumer = consume("vedette/gw7/status")
    status = wait_for(consumer.statuses, "a retained status")[0]
    assert status["state"] == "online"
    assert status["mqtt"] == {"version": "5", "cannot_see": None}
    assert status["streams"][0]["model"]["unsigned"] is True
    assert gateway.stop() == 0
    wait_for(lambda: consumer.statuses()[-1]["state"] == "offline", "offline")
    assert consumer.statuses()[-1]["reasons"] == ["stopped"]


def test_the_will_tells_when_the_daemon_dies(gateway: Gateway, mosquitto: Mosquitto, consume: Consume) -> None:
    gateway.configure(INPUT)
    consumer = consume("vedette/gw7/status")
    gateway.start()
    wait_for(consumer.statuses, "a status")
    gateway.kill()
    wait_for(lambda: consumer.statuses()[-1]["state"] == "offline", "the will")
    assert consumer.statuses()[-1]["reasons"] == ["connection lost"]


def test_a_broker_that_comes_later_gets_the_alerts(
    gateway: Gateway, stopped_mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure("{ stdin = true }")
    gateway.start("\n".join(incident(1000.0)).encode())
    wait_for(lambda: gateway.logged("no connection"), "the first attempt")
    wait_for(lambda: gateway.logged("alert end"), "the alert")
    stopped_mosquitto.start()
    consumer = consume("vedette/+/alert/#")
    wait_for(lambda: phases(consumer) == ["new", "end"], "the alerts")
    assert gateway.wait() == 0


def test_without_a_broker_the_daemon_ends_and_says_what_it_keeps(gateway: Gateway, consume: Consume) -> None:
    gateway.configure("{ stdin = true }")
    gateway.start("\n".join(incident(1000.0)).encode())
    assert gateway.wait() == 0
    assert gateway.logged("2 alert(s) stay stored")


def test_alerts_of_a_killed_daemon_are_sent_by_the_next(
    gateway: Gateway, stopped_mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure("{ stdin = true }")
    gateway.start("\n".join(incident(1000.0)).encode())
    wait_for(lambda: gateway.logged("alert end"), "the alert")
    wait_for(lambda: gateway.logged("source has ended"), "the end of the input")
    gateway.kill()
    stopped_mosquitto.start()
    consumer = consume("vedette/+/alert/#")
    gateway.start(b"")
    wait_for(lambda: phases(consumer) == ["new", "end"], "the alerts")
    assert gateway.wait() == 0


def test_a_broker_killed_mid_run_costs_no_alert(gateway: Gateway, mosquitto: Mosquitto, consume: Consume) -> None:
    gateway.configure("{ stdin = true }")
    consumer = consume("vedette/+/alert/#", client_id="watcher")
    count = 150
    lines = [line for number in range(count) for line in incident(1000.0 + 20 * number)]
    gateway.start("\n".join(lines).encode() + b"\n", keep_open=True)
    for kills in range(3):
        wait_for(lambda kills=kills: len(consumer.events) > 80 * kills, "further alerts")
        mosquitto.kill()
        mosquitto.start()
        gateway.wait_connected(kills + 2)
    wait_for(lambda: len({event["id"] for event in consumer.events}) == 2 * count, "all alerts")
    steps = {(event["data"]["alert_id"], event["data"]["seq"]) for event in consumer.events}
    assert len(steps) == 2 * count


def test_what_a_consumer_acknowledged_is_not_sent_again(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure(INPUT)
    consumer = consume("vedette/#")
    gateway.start()
    gateway.wait_connected()
    send(consumer, "plant/pump1/raw", incident(1000.0))
    wait_for(lambda: phases(consumer) == ["new", "end"], "new and end")
    consumer.publish("vedette/gw7/ack", "not an acknowledgement")
    consumer.publish("vedette/gw7/ack", json.dumps({"ids": [consumer.events[0]["id"]]}))
    wait_counter(consumer, "alerts_acknowledged", 1)
    mosquitto.kill()
    mosquitto.start()
    wait_for(lambda: phases(consumer) == ["new", "end", "end"], "the unacknowledged one again")
    assert consumer.events[1] == consumer.events[2]


@pytest.mark.parametrize("again", ["subscriber", "acl"])
def test_what_nobody_gets_is_not_delivered(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume, again: str
) -> None:
    if again == "acl":
        mosquitto.kill()
        acl = gateway.folder / "acl"
        acl.write_text(
            "topic readwrite vedette/gw7/status\nuser watcher\ntopic readwrite vedette/#\ntopic readwrite plant/#\n"
        )
        mosquitto.write_config(f"allow_anonymous true\nacl_file {acl}")
        mosquitto.start()
        consume("vedette/+/alert/#", username="watcher")
    gateway.configure("{ stdin = true }")
    gateway.start("\n".join(incident(1000.0)).encode())
    status = consume("vedette/gw7/status", username="watcher")
    wait_for(lambda: status.statuses() and status.statuses()[-1]["state"] == "degraded", "degraded")
    expected = "no subscriber" if again == "subscriber" else "refused by the broker (0x87)"
    assert expected in status.statuses()[-1]["reasons"][0]
    assert status.statuses()[-1]["counters"]["alerts_confirmed"] == 0
    gateway.kill()
    if again == "acl":
        mosquitto.kill()
        mosquitto.write_config("allow_anonymous true")
        mosquitto.start()
    consumer = consume("vedette/+/alert/#")
    gateway.start(b"")
    wait_for(lambda: phases(consumer) == ["new", "end"], "the alerts, after all")
    assert gateway.wait() == 0


def test_hostile_payloads_are_counted_and_the_stream_goes_on(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure(INPUT)
    consumer = consume("vedette/#")
    gateway.start()
    gateway.wait_connected()
    hostile = [
        b'{"x": NaN, "y": 1, "z": 1}',
        payload(1.0, "text").encode(),
        payload(1.0, True).encode(),
        b"[1.0, 2.0]",
        b"[" * 10_000 + b"]" * 10_000,
        b'{"x":' * 10_000,
        b"[" + b"1," * 5_000_000 + b"1]",
        b"",
        b"\xff\xfe\x00",
        b'{"pressure": 1}',
        b'{"x": 1e999}',
        b'{"time": "yesterday", "x": 1, "y": 1, "z": 1}',
    ]
    good = incident(1000.0)
    for number, text in enumerate(good):
        consumer.publish("plant/pump1/raw", text)
        if number < len(hostile):
            consumer.publish("plant/pump1/raw", hostile[number])
    wait_for(lambda: phases(consumer) == ["new", "end"], "new and end")
    counters = wait_counter(consumer, "samples", len(good))
    assert counters["rejected"] == len(hostile)
    assert 1 <= gateway.log.read_text().count("rejected: ") <= 3
    assert "Traceback" not in gateway.log.read_text()


def test_one_wildcard_entry_makes_a_stream_for_each_device(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure('{ mqtt = "plant/+/raw" }', stream="max_devices = 2")
    consumer = consume("vedette/#")
    gateway.start()
    gateway.wait_connected()
    for lines in zip(incident(1000.0), incident(1000.0), strict=True):
        consumer.publish("plant/motor 1/raw", lines[0])
        consumer.publish("plant/motor2/raw", lines[1])
    consumer.publish("plant/third/raw", payload(1.0, 1.0))
    wait_for(lambda: len(consumer.events) == 4, "two alerts of two steps")
    topics = {topic for topic, _ in consumer.seen if "/alert/" in topic}
    assert topics == {"vedette/gw7/alert/s1/motor%201", "vedette/gw7/alert/s1/motor2"}
    assert {event["source"] for event in consumer.events} == {"/gw7/s1/motor%201", "/gw7/s1/motor2"}
    wait_counter(consumer, "rejected", 1)
    assert gateway.logged("max_devices = 2")


def test_an_open_alert_ends_with_a_reason_when_the_gateway_stops(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure(INPUT)
    consumer = consume("vedette/#")
    gateway.start()
    gateway.wait_connected()
    send(consumer, "plant/pump1/raw", incident(1000.0)[:9])
    wait_for(lambda: phases(consumer) == ["new"], "new")
    assert gateway.stop() == 0
    wait_for(lambda: phases(consumer) == ["new", "end"], "end")
    assert consumer.events[-1]["data"]["reason"] == "gateway stopped"


def test_an_alert_that_was_open_when_the_gateway_was_killed_is_ended_by_the_next_run(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure(INPUT)
    consumer = consume("vedette/#")
    gateway.start()
    gateway.wait_connected()
    send(consumer, "plant/pump1/raw", incident(1000.0)[:9])
    wait_for(lambda: phases(consumer) == ["new"], "new")
    gateway.kill()
    gateway.start()
    wait_for(lambda: phases(consumer) == ["new", "end"], "end")
    new, end = consumer.events
    assert end["data"]["alert_id"] == new["data"]["alert_id"]
    assert (end["data"]["seq"], end["data"]["reason"]) == (2, "gateway restarted")
    assert end["data"]["end"] == new["time"]
    assert [int(event["sequence"]) for event in consumer.events] == [1, 2]
    gateway.kill()
    gateway.start()
    gateway.wait_connected(3)
    assert gateway.stop() == 0
    assert {event["id"] for event in consumer.events} == {new["id"], end["id"]}


def test_a_file_is_replayed_and_its_bad_rows_are_counted(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    rows = [json.loads(line) for line in incident(1000.0)]
    lines = [f"{row['time']},{row['x']},{row['y']},{row['z']}" for row in rows]
    lines.insert(3, "1002.5,high,1,1")
    (gateway.folder / "test.csv").write_text("time,x,y,z\n" + "\n".join(lines) + "\n")
    gateway.configure('{ file = "test.csv" }', '{ file = "test.csv" }')
    consumer = consume("vedette/#")
    gateway.start()
    assert gateway.wait() == 0
    wait_for(lambda: len(consumer.events) == 4, "two alerts of two steps")
    wait_for(lambda: consumer.statuses()[-1]["state"] == "offline", "goodbye")
    assert consumer.statuses()[-1]["counters"]["rejected"] == 2
    assert gateway.logged("line 5, column \"x\": expected a number, found 'high'")


def test_a_file_of_other_channels_fails_with_the_data_error(gateway: Gateway, mosquitto: Mosquitto) -> None:
    (gateway.folder / "test.csv").write_text("time,a,b\n1,2,3\n")
    gateway.configure('{ file = "test.csv" }')
    gateway.start()
    assert gateway.wait() == 10
    assert gateway.logged('expected the column "x" in the header')


def test_two_daemons_cannot_share_an_outbox(gateway: Gateway, mosquitto: Mosquitto) -> None:
    config = gateway.configure(INPUT)
    gateway.start()
    gateway.wait_connected()
    command = [sys.executable, "-m", "vedette", "run", config]
    second = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert second.returncode == 14
    assert "in use by another" in second.stderr


def test_listen_prints_and_acknowledges(gateway: Gateway, mosquitto: Mosquitto, consume: Consume) -> None:
    acks, watcher = consume("vedette/gw7/ack"), consume("vedette/gw7/alert/#")
    listener = start_listening(mosquitto, "--count", "2", "--timeout", "30")
    gateway.configure("{ stdin = true }")
    gateway.start("\n".join(incident(1000.0)).encode())
    out, err = listener.communicate(timeout=60)
    assert listener.returncode == 0, err
    lines = out.splitlines()
    assert len(lines) == 2
    assert "gw7/s1" in lines[0] and "new" in lines[0] and "severity   2.25" in lines[0] and "x 33%" in lines[0]
    assert "end" in lines[1]
    assert gateway.wait() == 0
    wait_for(lambda: len(acks.seen) == 2, "two acknowledgements")
    assert {json.loads(data)["ids"][0] for _, data in acks.seen} == {event["id"] for event in watcher.events}


def test_listen_gives_json_and_leaves_out_duplicates(mosquitto: Mosquitto, consume: Consume) -> None:
    acks = consume("vedette/gw7/ack")
    listener = start_listening(mosquitto, "--json", "--count", "2", "--timeout", "30")
    data = {"phase": "new", "severity": 1.5, "channels": [{"name": "x", "share": 1.0}]}
    event = {"id": "a", "source": "/gw7/s1", "type": "io.vedette.alert.new", "time": "t", "data": data}
    stderr = listener.stderr
    assert stderr is not None
    while "connected to" not in stderr.readline():
        pass
    wait_for(lambda: _published_to_somebody(acks, event), "the listener to subscribe")
    for text in (json.dumps(event), "not json", json.dumps({**event, "id": "b"})):
        acks.publish("vedette/gw7/alert/s1", text)
    out, err = listener.communicate(timeout=60)
    assert listener.returncode == 0, err
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["a", "b"]
    assert len(acks.seen) >= 3  # the duplicate was acknowledged too


def test_listen_with_a_state_file_knows_after_a_restart_what_it_has_printed(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    publisher = consume("vedette/gw7/ack")
    state = str(gateway.folder / "state.db")
    data = {"phase": "new", "severity": 1.5, "channels": [{"name": "x", "share": 1.0}]}
    event = {"id": "a", "source": "/gw7/s1", "type": "io.vedette.alert.new", "time": "t", "data": data}
    printed = []
    for last in ("a", "b"):
        listener = start_listening(mosquitto, "--json", "--state", state, "--count", "1", "--timeout", "30")
        assert listener.stderr is not None
        while "connected to" not in listener.stderr.readline():
            pass
        time.sleep(0.5)  # it subscribes
        for identity in dict.fromkeys(("a", last)):
            publisher.publish("vedette/gw7/alert/s1", json.dumps({**event, "id": identity}))
        out, err = listener.communicate(timeout=60)
        assert listener.returncode == 0, err
        printed += [json.loads(line)["id"] for line in out.splitlines()]
    assert printed == ["a", "b"]


def _published_to_somebody(publisher: Consumer, event: dict[str, object]) -> bool:
    publisher.publish("vedette/gw7/alert/s1", json.dumps(event))
    return bool(publisher.seen)


def test_listen_says_when_there_is_no_broker(stopped_mosquitto: Mosquitto) -> None:
    listener = start_listening(stopped_mosquitto, "--timeout", "1")
    _, err = listener.communicate(timeout=60)
    assert listener.returncode == 17
    assert "is the broker up?" in err
