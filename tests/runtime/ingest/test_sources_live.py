"""Sources in a running gateway: other people's payloads, CSV on a pipe, late samples, wrong clocks, real time."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Consumer, Gateway, Mosquitto, incident, wait_for

pytestmark = pytest.mark.slow

Consume = Callable[..., Consumer]
VALUES = [1.0] * 6 + [5.0] * 3 + [1.0] * 6


def phases(consumer: Consumer) -> list[str]:
    return [event["data"]["phase"] for event in consumer.events]


def final_status(consumer: Consumer) -> dict[str, Any]:
    wait_for(lambda: consumer.statuses() and consumer.statuses()[-1]["state"] == "offline", "goodbye")
    return consumer.statuses()[-1]


def test_payloads_of_other_devices_are_read_by_their_layout(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure(
        '{ mqtt = "plant/raw", samples = "payload.readings", time = "ts", time_unit = "ms", device = "meta.id", '
        'fields = { x = "accel.x", y = "accel.list[1]" } }'
    )
    consumer = consume("vedette/#")
    gateway.start()
    gateway.wait_connected()
    readings = [
        {"ts": 1_790_000_000_000 + 1000 * number, "accel": {"x": value, "list": [0, value]}, "z": value}
        for number, value in enumerate(VALUES)
    ]
    consumer.publish("plant/raw", json.dumps({"meta": {"id": "press/4"}, "payload": {"readings": readings}}))
    wait_for(lambda: phases(consumer) == ["new", "end"], "new and end")
    assert consumer.events[0]["source"] == "/gw7/s1/press%2F4"
    assert consumer.events[0]["time"] == "2026-09-21T14:13:27.000Z"


def test_a_field_that_is_no_channel_is_refused_at_start_up(gateway: Gateway, mosquitto: Mosquitto) -> None:
    gateway.configure('{ mqtt = "plant/raw", fields = { xx = "a" } }')
    gateway.start()
    assert gateway.wait() == 11
    assert gateway.logged('stream "s1": source: fields: the bundle has no channel "xx"')


def test_late_samples_are_scored_in_order_and_the_last_ones_soon(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure('{ mqtt = "plant/raw" }', stream="reorder = { max_delay_s = 2.5 }")
    consumer = consume("vedette/#")
    gateway.start()
    gateway.wait_connected()
    lines = incident(1000.0)[:9]
    for first, second in zip(lines[0::2], lines[1::2], strict=False):
        consumer.publish("plant/raw", second)
        consumer.publish("plant/raw", first)
        consumer.publish("plant/raw", first)
    consumer.publish("plant/raw", lines[8])
    wait_for(lambda: phases(consumer) == ["new"], "new")
    gateway.stop()
    counters = final_status(consumer)["counters"]
    assert (counters["samples"], counters["rejected"]) == (9, 4)


def test_a_device_whose_clock_was_ten_years_ahead_is_heard_again(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure('{ mqtt = "plant/raw" }')
    consumer = consume("vedette/#")
    gateway.start()
    gateway.wait_connected()
    start = time.time()
    consumer.publish("plant/raw", json.dumps({"time": start + 3.2e8, "x": 1, "y": 1, "z": 1}))
    for _ in range(8):
        time.sleep(0.25)
        consumer.publish("plant/raw", json.dumps({"time": time.time(), "x": 1, "y": 1, "z": 1}))
    wait_for(lambda: gateway.logged("set back; the stream starts anew"), "the new time")
    for number, value in enumerate(VALUES):
        consumer.publish("plant/raw", json.dumps({"time": time.time() + number, "x": value, "y": value, "z": value}))
    wait_for(lambda: phases(consumer)[:1] == ["new"], "the alert")


def test_csv_on_a_pipe_is_read_and_its_bad_lines_are_counted(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    lines = ["time,note,z,y,x", *(f"{1000 + number},a,{value},{value},{value}" for number, value in enumerate(VALUES))]
    lines[4:4] = ["1002.5,high,1", '1002.6,",1,1,1', "soon,a,1,1,1", ""]
    gateway.configure('{ stdin = true, format = "csv" }')
    consumer = consume("vedette/#")
    gateway.start("\n".join(lines).encode())
    assert gateway.wait() == 0
    wait_for(lambda: phases(consumer) == ["new", "end"], "new and end")
    counters = final_status(consumer)["counters"]
    assert (counters["samples"], counters["rejected"]) == (len(VALUES), 3)


def test_csv_without_the_channels_in_its_header_fails_with_the_data_error(
    gateway: Gateway, mosquitto: Mosquitto
) -> None:
    gateway.configure('{ stdin = true, format = "csv" }')
    gateway.start(b"time,a,b\n1,2,3\n")
    assert gateway.wait() == 10
    assert gateway.logged('stdin: expected the column "x" in the header')


def test_a_file_with_wrong_times_and_a_cut_end_is_replayed_in_real_time_all_the_same(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    rows = [f"{1000 + number / 50},{value},{value},{value}" for number, value in enumerate(VALUES)]
    rows.insert(5, "999,1,1,1")  # out of order
    text = "time,x,y,z\n" + "\n".join(rows) + "\n"
    packed = gzip.compress((text + "2000,1,1,1\n" * 50_000).encode())
    (gateway.folder / "test.csv.gz").write_bytes(packed[:-60])
    gateway.configure('{ file = "test.csv.gz", realtime = true }')
    consumer = consume("vedette/#")
    gateway.start()
    wait_for(lambda: phases(consumer)[:1] == ["new"], "the alert")
    assert gateway.stop() in (0, 10)
