"""The numbers of the simulated gateway traffic, each with its unit, meaning and source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vedette.train.simulators.parameters import Doc

Pair = tuple[float, float]

_ASSUMED = "assumed"
_OFFICE = "assumed; drawn once per seed"
_TAIL = "heavy tail: Crovella and Bestavros (1997); value assumed"
_SURGE = "kind of model: Barford and Crovella (1998); value assumed"
_FAULT = "value assumed"


@dataclass(frozen=True)
class NetworkParameters:
    """The internet gateway of an office of about twenty people, with their machines, cameras and a server."""

    sample_period: Annotated[float, Doc("s", "counters are read and reset every ten seconds", _ASSUMED)] = 10.0
    downlink: Annotated[float, Doc("Mbit/s", "capacity towards the office", _ASSUMED)] = 200.0
    uplink: Annotated[float, Doc("Mbit/s", "capacity from the office", _ASSUMED)] = 50.0

    # People
    people: Annotated[Pair, Doc("", "range of the number of people at work", _OFFICE)] = (16.0, 24.0)
    weekend: Annotated[float, Doc("", "part of them at work at the weekend", _ASSUMED)] = 0.08
    activity_spread: Annotated[
        float, Doc("", "spread of the logarithm of activity, correlated over 10 min", _ASSUMED)
    ] = 0.30
    page_every: Annotated[float, Doc("s", "time between pages of one person", _SURGE)] = 45.0
    page_flows: Annotated[float, Doc("", "mean flows of a page, at least one", _SURGE)] = 6.0
    page_bytes: Annotated[float, Doc("B", "median bytes of a flow towards the office", _SURGE)] = 9000.0
    page_sigma: Annotated[float, Doc("", "spread of their logarithm", _SURGE)] = 1.6
    tail_part: Annotated[float, Doc("", "part of the flows whose size is from the tail", _TAIL)] = 0.015
    tail_index: Annotated[
        float, Doc("", "exponent of the Pareto tail", "1.0 to 1.3: Crovella and Bestavros (1997)")
    ] = 1.2
    tail_from: Annotated[float, Doc("B", "smallest size from the tail", _TAIL)] = 4e5
    tail_to: Annotated[float, Doc("B", "largest size from the tail", _ASSUMED)] = 2e9
    flow_rate: Annotated[Pair, Doc("Mbit/s", "median rate of one flow, spread of its logarithm", _ASSUMED)] = (6.0, 0.8)
    calls: Annotated[float, Doc("1/d", "video calls on a working day, beginning at full and half hours", _ASSUMED)] = (
        16.0
    )
    call_rate: Annotated[float, Doc("Mbit/s", "rate of a call in each direction", _ASSUMED)] = 1.6
    videos: Annotated[float, Doc("1/d", "videos on a working day, median 6 min", _ASSUMED)] = 14.0
    video_rate: Annotated[float, Doc("Mbit/s", "mean rate of a video, fetched in segments of 4 s", _ASSUMED)] = 4.5

    # Machines
    devices: Annotated[float, Doc("", "devices that call home every one to ten minutes", _ASSUMED)] = 30.0
    keepalive: Annotated[float, Doc("s", "mean time between the keep-alive packets of a device", _ASSUMED)] = 25.0
    radiation: Annotated[
        float, Doc("1/s", "stray packets from outside", "background radiation: Pang et al. (2004)")
    ] = 0.3
    sync_every: Annotated[float, Doc("s", "mean time between file uploads of the office", _ASSUMED)] = 500.0
    sync_bytes: Annotated[float, Doc("B", "median size of one, spread of the logarithm 1.3", _ASSUMED)] = 2.5e6
    backup_hour: Annotated[float, Doc("h", "when the nightly backup begins", _ASSUMED)] = 2.0
    backup_bytes: Annotated[float, Doc("B", "median size of a backup", _ASSUMED)] = 1.8e9
    backup_rate: Annotated[float, Doc("Mbit/s", "rate of the backup", _ASSUMED)] = 12.0
    updates: Annotated[float, Doc("1/d", "software updates, 80 MB to 2 GB", _TAIL)] = 4.0
    destinations: Annotated[
        float, Doc("", "hosts that the office ever visits, by Zipf's law", "Zipf: Breslau et al. (1999)")
    ] = 4000.0
    lookup: Annotated[float, Doc("", "part of new flows that ask for a name first", _ASSUMED)] = 0.35

    # Packets
    large_packet: Annotated[float, Doc("B", "mean size of packets that carry data", "Ethernet MTU 1500")] = 1350.0
    ack: Annotated[float, Doc("B", "size of an acknowledgement on the wire", "IP and TCP headers with options")] = 60.0
    acks: Annotated[float, Doc("", "acknowledgements for each packet of data", "RFC 1122: at least every second")] = 0.5
    loss: Annotated[
        float, Doc("", "part of the packets that are sent again, its logarithm spreads by 0.4", _ASSUMED)
    ] = 0.003
    unanswered: Annotated[float, Doc("", "part of new flows whose first packet stays without answer", _ASSUMED)] = 0.02

    # Faults, from severity 0 to 1
    scan_rate: Annotated[Pair, Doc("1/s", "probes of a scan from inside", _FAULT)] = (1.0, 60.0)
    scan_answered: Annotated[float, Doc("", "part of the probes that are answered", _FAULT)] = 0.04
    flood_rate: Annotated[Pair, Doc("1/s", "packets of a flood from outside", _FAULT)] = (300.0, 9000.0)
    flood_packet: Annotated[float, Doc("B", "size of its packets", "SYN flood: RFC 4987")] = 60.0
    exfiltration_rate: Annotated[Pair, Doc("Mbit/s", "rate of a steady upload to one host", _FAULT)] = (0.5, 8.0)
    beacon_every: Annotated[Pair, Doc("s", "range of the time between calls to a control server", _FAULT)] = (
        40.0,
        120.0,
    )
    beacon_queries: Annotated[
        Pair, Doc("", "names tried at each call", "generated names: Antonakakis et al. (2012)")
    ] = (
        6.0,
        60.0,
    )
    degraded_loss: Annotated[Pair, Doc("", "part of the packets lost on a bad link", _FAULT)] = (0.008, 0.08)
    degraded_capacity: Annotated[
        Pair, Doc("", "part of the capacity that is left", "falls with the root of loss: Mathis et al. (1997)")
    ] = (
        0.20,
        0.03,
    )
