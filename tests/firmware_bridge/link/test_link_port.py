"""A port that comes and goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import wait_for
from emulated_device import EmulatedDevice

from vedette.firmware_bridge.link.messages import HelloRequest
from vedette.firmware_bridge.link.port import LAST_WAIT_S, PortLostError, SerialPort
from vedette.firmware_bridge.link.session import Ready, Session


@pytest.fixture
def device(tmp_path: Path) -> Iterator[EmulatedDevice]:
    found = EmulatedDevice(tmp_path / "ttyACM0", [("x", "")])
    yield found
    found.unplug()


def test_a_port_that_is_not_there_is_tried_again_less_and_less_often(tmp_path: Path) -> None:
    now = [0.0]
    port, tries = SerialPort(str(tmp_path / "none"), 115_200, clock=lambda: now[0]), []
    while now[0] < 60:
        try:
            assert not port.open()
        except PortLostError as error:
            assert "none" in str(error)
            tries.append(now[0])
        now[0] += 0.125
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert waits[:5] == [0.25, 0.5, 1.0, 2.0, 4.0]
    assert set(waits[5:]) == {LAST_WAIT_S}


@pytest.mark.slow
def test_a_device_that_is_unplugged_and_plugged_in_again_is_found_again(device: EmulatedDevice) -> None:
    port = SerialPort(str(device.path), 3_000_000)
    device.plug()
    for _ in range(3):
        wait_for(lambda: opened(port), "the port to open")
        session = Session(time.monotonic())
        events: list[object] = []

        def heard(session: Session = session, events: list[object] = events) -> bool:
            port.write(session.to_send(time.monotonic()))
            events += session.receive(port.read(), time.monotonic())
            return any(isinstance(event, Ready) for event in events)

        wait_for(heard, "the hello")
        device.unplug()
        with pytest.raises(PortLostError):
            for _ in range(100):
                port.read()
        assert not port.is_open
        device.plug()
    assert sum(isinstance(message, HelloRequest) for message in device.received) >= 3
    port.close()


@pytest.mark.slow
def test_a_port_is_not_shared(device: EmulatedDevice) -> None:
    device.plug()
    first, second = SerialPort(str(device.path), 115_200), SerialPort(str(device.path), 115_200)
    assert first.open()
    with pytest.raises(PortLostError, match="lock"):
        second.open()
    first.close()


@pytest.mark.slow
def test_a_device_that_takes_nothing_does_not_hold_up_the_reader(device: EmulatedDevice) -> None:
    device.plug()
    device._stop.set()  # it reads no more
    port = SerialPort(str(device.path), 115_200)
    assert port.open()
    began = time.monotonic()
    for _ in range(10):
        port.write(bytes(10_000))
    assert time.monotonic() - began < 10
    device.raw(b"still here")
    assert port.read()
    port.close()


def opened(port: SerialPort) -> bool:
    try:
        port.open()
    except PortLostError:
        return False
    return port.is_open
