"""Counters of an internet gateway, read every ten seconds: an office's traffic, then attacks and a bad link.

:mod:`~vedette.train.simulators.network_flows` says what the office fetches and sends. The link carries what it can and
keeps the rest waiting; the counters count flows, packets, bytes, names and losses. ``docs/simulators.md`` has the
parameters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.train.simulators.events import Event, FaultKind
from vedette.train.simulators.network_flows import BYTES_PER_MBIT, Flows, live
from vedette.train.simulators.network_parameters import NetworkParameters
from vedette.train.simulators.processes import FloatArray, in_steps, wander
from vedette.train.simulators.simulator import Part, Simulator, two_parts

PARAMETERS = NetworkParameters()
UNITS = {
    "packets_in": "",
    "packets_out": "",
    "bytes_in": "B",
    "bytes_out": "B",
    "flows": "",
    "destinations": "",
    "syn_ratio": "",
    "dns_queries": "",
    "retransmits": "",
}
PACKETS_IN, PACKETS_OUT, BYTES_IN, BYTES_OUT, FLOWS, DESTINATIONS, SYN_RATIO, DNS, RETRANSMITS = range(len(UNITS))
MINUTE, HOUR = 60.0, 3600.0

FAULTS = (
    FaultKind("port_scan", 2 * MINUTE, 20 * MINUTE),
    FaultKind("flood", 2 * MINUTE, 15 * MINUTE),
    FaultKind("exfiltration", 10 * MINUTE, 60 * MINUTE),
    FaultKind("beaconing", 1 * HOUR, 4 * HOUR),
    FaultKind("link_degradation", 10 * MINUTE, 90 * MINUTE),
)
REST_S = 15 * MINUTE
# A name takes a query and an answer; people give up what has waited this long.
_QUERY, _ANSWER = 75.0, 140.0
_PATIENCE_S = 40.0


class _Counters:
    """What has been asked of the gateway in each interval, before the link has carried it; every array ``(n,)``."""

    def __init__(self, part: Part) -> None:
        period, rng, bins = part.clock.period_s, part.own["packets"], len(part.clock)
        flows = live(part.common, part.own, part.clock, PARAMETERS)
        data_in, data_out = (flows.spread(each, bins, period) for each in (flows.bytes_in, flows.bytes_out))
        large, acks = PARAMETERS.large_packet, PARAMETERS.acks
        packets_in, packets_out = data_in / large, data_out / large
        small = flows.spread(np.full(len(flows.start), 3.0), bins, period)  # opening and closing
        small += rng.poisson(PARAMETERS.devices * period / PARAMETERS.keepalive, bins)
        stray = rng.poisson(PARAMETERS.radiation * period, bins)
        self.packets_in = packets_in + acks * packets_out + small + stray
        self.packets_out = packets_out + acks * packets_in + small
        self.bytes_in = data_in + PARAMETERS.ack * (acks * packets_out + small + stray)
        self.bytes_out = data_out + PARAMETERS.ack * (acks * packets_in + small)
        new = _new(flows, bins, period)
        self.flows = np.bincount(new[0], minlength=bins).astype(float)
        pairs = np.unique(new[0] * 1_000_000 + new[1])
        self.destinations = np.bincount(pairs // 1_000_000, minlength=bins).astype(float)
        unanswered = rng.binomial(self.flows.astype(np.int64), PARAMETERS.unanswered)
        self.first = self.flows + unanswered  # first packets, sent again once where there is no answer
        self.answers = self.flows - unanswered
        self.queries = rng.binomial(self.flows.astype(np.int64), PARAMETERS.lookup).astype(float)
        self.loss = PARAMETERS.loss * np.exp(wander(part.own["loss"], bins, 300.0, 0.4, period))
        self.down = np.full(bins, PARAMETERS.downlink * BYTES_PER_MBIT * period)
        self.up = np.full(bins, PARAMETERS.uplink * BYTES_PER_MBIT * period)


def _new(flows: Flows, bins: int, period: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Bin and host of each flow that opens a connection: the segments of a video use one that is open."""
    row = (flows.start / period).astype(np.int64)
    opening = (flows.host >= 0) & (row < bins)
    return row[opening], flows.host[opening]


def _live(part: Part) -> tuple[FloatArray, tuple[Event, ...]]:
    """One part of a recording."""
    counters = _Counters(part)
    for event in part.events:
        _STRIKES[event.kind](part.own[f"fault at {event.start}"], counters, event)
    return _count(part, counters), part.events


def _count(part: Part, counters: _Counters) -> FloatArray:
    """What the gateway reports, ``(n, 9)``."""
    rng = part.own["counters"]
    served_in = _carried(counters.bytes_in, counters.down)
    served_out = _carried(counters.bytes_out, counters.up)
    packets_in = counters.packets_in * served_in / np.maximum(counters.bytes_in, 1)
    packets_out = counters.packets_out * served_out / np.maximum(counters.bytes_out, 1)
    full = np.maximum(served_in / counters.down, served_out / counters.up)
    loss = np.clip(counters.loss * (1 + 6 * np.clip(full - 0.7, 0, 0.3)), 0, 0.5)
    again = rng.binomial(np.round(packets_in + packets_out).astype(np.int64), loss)
    first = counters.first + rng.binomial(counters.first.astype(np.int64), np.minimum(2 * loss, 1))
    queries = counters.queries + rng.binomial(counters.queries.astype(np.int64), np.minimum(2 * loss, 1))
    values = np.empty((len(part.clock), len(UNITS)))
    values[:, PACKETS_IN] = packets_in + queries
    values[:, PACKETS_OUT] = packets_out + queries
    values[:, BYTES_IN] = served_in + _ANSWER * queries
    values[:, BYTES_OUT] = served_out + _QUERY * queries
    values[:, FLOWS] = counters.flows
    values[:, DESTINATIONS] = counters.destinations
    values[:, SYN_RATIO] = (first + 1) / (counters.answers + 1)
    values[:, DNS] = queries
    values[:, RETRANSMITS] = again
    return in_steps(values, tuple(0.01 if name == "syn_ratio" else 1.0 for name in UNITS))


def _carried(asked: FloatArray, capacity: FloatArray) -> FloatArray:
    """What a link carries of what is asked: at most its capacity; the rest waits, and too much of it is given up."""
    carried, waiting = np.empty(len(asked)), 0.0
    for row, (demand, limit) in enumerate(zip(asked.tolist(), capacity.tolist(), strict=True)):
        waiting += demand
        sent = min(waiting, limit)
        carried[row] = sent
        waiting = min(waiting - sent, limit * _PATIENCE_S / PARAMETERS.sample_period)
    return carried


def _scan(rng: np.random.Generator, counters: _Counters, event: Event) -> None:
    """An infected host tries ports of one host, or one port of many."""
    rows, count = event.rows, event.stop - event.start
    rate = _between(event, PARAMETERS.scan_rate) * PARAMETERS.sample_period
    probes = rng.poisson(rate * np.exp(0.15 * rng.standard_normal(count))).astype(float)
    answered = rng.binomial(probes.astype(np.int64), PARAMETERS.scan_answered)
    counters.flows[rows] += probes
    counters.first[rows] += probes
    counters.answers[rows] += answered
    counters.destinations[rows] += probes if rng.random() < 0.5 else 1
    counters.packets_out[rows] += probes
    counters.bytes_out[rows] += PARAMETERS.ack * probes
    counters.packets_in[rows] += answered
    counters.bytes_in[rows] += PARAMETERS.ack * answered


def _flood(rng: np.random.Generator, counters: _Counters, event: Event) -> None:
    """Many hosts outside send more first packets than can be answered."""
    rows, count = event.rows, event.stop - event.start
    rate = _between(event, PARAMETERS.flood_rate) * PARAMETERS.sample_period
    packets = rng.poisson(rate * np.exp(0.25 * rng.standard_normal(count))).astype(float)
    answered = np.floor(0.3 * packets)  # what the table of half-open connections takes
    counters.first[rows] += packets
    counters.answers[rows] += answered
    counters.packets_in[rows] += packets
    counters.bytes_in[rows] += PARAMETERS.flood_packet * packets
    counters.packets_out[rows] += answered
    counters.bytes_out[rows] += PARAMETERS.flood_packet * answered
    counters.flows[rows] += packets
    counters.loss[rows] *= 1 + 3 * event.severity  # the gateway is busy


def _exfiltrate(rng: np.random.Generator, counters: _Counters, event: Event) -> None:
    """One host sends steadily to one host outside."""
    rows, count = event.rows, event.stop - event.start
    rate = _between(event, PARAMETERS.exfiltration_rate) * BYTES_PER_MBIT * PARAMETERS.sample_period
    data = rate * np.exp(0.1 * rng.standard_normal(count))
    packets = data / PARAMETERS.large_packet
    counters.bytes_out[rows] += data
    counters.packets_out[rows] += packets
    counters.packets_in[rows] += PARAMETERS.acks * packets
    counters.bytes_in[rows] += PARAMETERS.acks * packets * PARAMETERS.ack
    counters.flows[event.start] += 1
    counters.destinations[event.start] += 1


def _beacon(rng: np.random.Generator, counters: _Counters, event: Event) -> None:
    """An infected host looks for its control server: generated names until one exists, then a short flow."""
    every = rng.uniform(*PARAMETERS.beacon_every) / PARAMETERS.sample_period
    calls = np.arange(0, event.stop - event.start, every)
    calls = event.start + np.clip(calls + rng.normal(0, 0.05 * every, len(calls)), 0, event.stop - event.start - 1)
    rows = np.unique(calls.astype(np.int64))
    counters.queries[rows] += rng.poisson(_between(event, PARAMETERS.beacon_queries), len(rows))
    counters.flows[rows] += 1
    counters.first[rows] += 1
    counters.answers[rows] += 1
    counters.destinations[rows] += 1
    for channel, size in ((counters.bytes_in, 900.0), (counters.bytes_out, 700.0)):
        channel[rows] += size
    counters.packets_in[rows] += 5
    counters.packets_out[rows] += 5


def _degrade(rng: np.random.Generator, counters: _Counters, event: Event) -> None:
    """The link loses packets, and carries less."""
    rows, count = event.rows, event.stop - event.start
    swing = np.exp(wander(rng, count, 60.0, 0.25, PARAMETERS.sample_period))
    counters.loss[rows] += _between(event, PARAMETERS.degraded_loss) * swing
    for capacity in (counters.down, counters.up):
        capacity[rows] *= _between(event, PARAMETERS.degraded_capacity) / swing


def _between(event: Event, bounds: tuple[float, float]) -> float:
    """The value at the event's severity, between those at severity 0 and 1, on a logarithmic scale."""
    low, high = bounds
    return float(low * (high / low) ** event.severity)


_STRIKES = {
    "port_scan": _scan,
    "flood": _flood,
    "exfiltration": _exfiltrate,
    "beaconing": _beacon,
    "link_degradation": _degrade,
}

SIMULATOR = Simulator(
    title="the traffic counters of an internet gateway",
    units=UNITS,
    faults=tuple(kind.name for kind in FAULTS),
    period_s=PARAMETERS.sample_period,
    train_hours=10 * 24.0,
    test_hours=7 * 24.0,
    max_hours=60 * 24.0,
    parameters=PARAMETERS,
    run=two_parts(_live, channels=tuple(UNITS), faults=FAULTS, period_s=PARAMETERS.sample_period, rest_s=REST_S),
)
