"""The flows of an office: who fetches what and when, and how much of it crosses the gateway in each interval.

Traffic is a superposition of flows whose sizes have a heavy tail, which makes it bursty at every time scale (Willinger
et al., 1997). A flow has a start, a duration, and bytes each way; it is spread evenly over its duration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.train.simulators.network_parameters import NetworkParameters
from vedette.train.simulators.processes import Clock, FloatArray, Streams, daily, wander

Numbers = float | npt.NDArray[np.floating]

DAY_S = 86_400.0
BYTES_PER_MBIT = 1e6 / 8
# The names of what machines call: apart from the hosts that people visit.
_DEVICE_HOSTS, _CLOUD = 100_000, 200_000
# Segments of a video, and how fast they are fetched.
_SEGMENT_S, _SEGMENT_MBIT_S = 4.0, 40.0


@dataclass(frozen=True)
class Flows:
    """Flows, every array ``(flows,)``: start and duration in seconds, bytes each way, host.

    A host below 0 means that the flow uses a connection that is open.
    """

    start: FloatArray
    duration: FloatArray
    bytes_in: FloatArray
    bytes_out: FloatArray
    host: npt.NDArray[np.int64]

    @staticmethod
    def join(parts: list[Flows]) -> Flows:
        """All flows of several lists."""
        names = ("start", "duration", "bytes_in", "bytes_out", "host")
        return Flows(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    @staticmethod
    def of(
        start: npt.NDArray[np.floating], duration: Numbers, bytes_in: Numbers, bytes_out: Numbers, host: npt.ArrayLike
    ) -> Flows:
        """Flows whose bytes and hosts may be given once for all."""
        each = [np.broadcast_to(np.asarray(values, float), start.shape) for values in (duration, bytes_in, bytes_out)]
        hosts = np.broadcast_to(np.asarray(host, np.int64), start.shape)
        return Flows(start.astype(np.float64), each[0], each[1], each[2], hosts)

    def spread(self, amount: FloatArray, bins: int, period_s: float) -> FloatArray:
        """How much of an ``amount`` ``(flows,)``, spread evenly over each flow, falls into each bin, ``(bins,)``."""
        first, last = self.start / period_s, (self.start + np.maximum(self.duration, 1e-3)) / period_s
        slope = amount / (last - first)
        total = np.zeros(bins + 2)
        # What has come by the edge k is the sum of slope * (k - begin) over the flows that have begun.
        for begin, change in ((first, slope), (last, -slope)):
            edge = np.clip(np.ceil(begin), 0, bins + 1).astype(np.int64)
            steps = np.bincount(edge, change, bins + 2)
            total += np.cumsum(np.bincount(edge, change * (edge - begin), bins + 2))
            total[1:] += np.cumsum(np.cumsum(steps))[:-1]
        share: FloatArray = np.diff(total[: bins + 1])
        return np.maximum(share, 0.0)


def live(common: Streams, own: Streams, clock: Clock, parameters: NetworkParameters) -> Flows:
    """All flows of an office over some time."""
    seconds = len(clock) * clock.period_s
    people = _people(common, own, clock, parameters)
    worked = people / max(common["people"].uniform(*parameters.people), 1.0)
    parts = [
        _pages(own["pages"], people, clock.period_s, parameters),
        _calls(own["calls"], worked, clock, parameters),
        _videos(own["videos"], worked, clock, parameters),
        _devices(common["devices"], own["devices"], seconds, parameters),
        _uploads(own["uploads"], worked, clock, parameters),
        _downloads(own["updates"], seconds, parameters),
    ]
    return Flows.join(parts)


def _people(common: Streams, own: Streams, clock: Clock, parameters: NetworkParameters) -> FloatArray:
    """How many people are active at each row: the hours of an office, slow and fast changes."""
    at_work = daily(
        clock.hour,
        (0, 6, 7.5, 9.5, 11.8, 12.6, 13.5, 16, 18, 20, 23),
        (0.01, 0.01, 0.25, 1, 1, 0.6, 0.95, 0.95, 0.3, 0.08, 0.02),
    )
    at_work *= np.where(clock.weekday >= 5, parameters.weekend, 1.0)
    days = own["days"].normal(1.0, 0.08, int(clock.day[-1] - clock.day[0]) + 1)[clock.day - clock.day[0]]
    activity = np.exp(wander(own["activity"], len(clock), 600.0, parameters.activity_spread, clock.period_s))
    people: FloatArray = common["people"].uniform(*parameters.people) * at_work * np.clip(days, 0.6, 1.4) * activity
    return people


def _sizes(rng: np.random.Generator, count: int, parameters: NetworkParameters) -> FloatArray:
    """Bytes of flows towards the office: lognormal, and a Pareto tail."""
    p = parameters
    sizes = p.page_bytes * np.exp(p.page_sigma * rng.standard_normal(count))
    tail = rng.random(count) < p.tail_part
    sizes[tail] = p.tail_from * (1 + rng.pareto(p.tail_index, int(tail.sum())))
    return np.clip(sizes, 300, p.tail_to)


def _rates(rng: np.random.Generator, count: int, parameters: NetworkParameters) -> FloatArray:
    """Bytes per second of flows."""
    median, sigma = parameters.flow_rate
    return BYTES_PER_MBIT * np.clip(median * np.exp(sigma * rng.standard_normal(count)), 0.2, 80.0)


def _pages(rng: np.random.Generator, people: FloatArray, period_s: float, parameters: NetworkParameters) -> Flows:
    """Pages that people open: some flows each, most of them to a few hosts, within some seconds."""
    pages = rng.poisson(people * period_s / parameters.page_every)
    when = (np.repeat(np.arange(len(pages)), pages) + rng.random(int(pages.sum()))) * period_s
    flows = rng.geometric(1 / parameters.page_flows, len(when))
    begins = np.repeat(when, flows) + rng.exponential(1.5, int(flows.sum()))
    size = _sizes(rng, len(begins), parameters)
    asked = 400 + 0.04 * size + rng.exponential(900, len(size))
    host = np.floor(parameters.destinations ** rng.random(len(size))).astype(np.int64)  # Zipf: uniform in log rank
    return Flows.of(begins, 0.15 + size / _rates(rng, len(size), parameters), size, asked, host)


def _calls(rng: np.random.Generator, worked: FloatArray, clock: Clock, parameters: NetworkParameters) -> Flows:
    """Video calls: the same both ways, from a full or half hour on, for most of the time until the next."""
    when = _moments(rng, worked, clock, parameters.calls)
    half = 1800.0
    begins = np.round(when / half) * half + rng.normal(30, 60, len(when))
    lasts = rng.choice((0.9, 1.8), len(when)) * half * rng.uniform(0.6, 1.1, len(when))
    rate = parameters.call_rate * BYTES_PER_MBIT * rng.uniform(0.5, 1.4, (2, len(when)))
    return Flows.of(np.maximum(begins, 0), lasts, rate[0] * lasts, rate[1] * lasts, _CLOUD)


def _videos(rng: np.random.Generator, worked: FloatArray, clock: Clock, parameters: NetworkParameters) -> Flows:
    """Videos, fetched segment by segment over one connection."""
    parts = []
    for begin in _moments(rng, worked, clock, parameters.videos):
        segments = int(np.clip(360 * np.exp(rng.standard_normal()), 30, 7200) / _SEGMENT_S)
        size = parameters.video_rate * BYTES_PER_MBIT * _SEGMENT_S * rng.lognormal(0.0, 0.25, segments)
        starts = begin + _SEGMENT_S * np.arange(segments)
        parts.append(Flows.of(starts, size / (_SEGMENT_MBIT_S * BYTES_PER_MBIT), size, 0.02 * size, -1))
    return Flows.join(parts) if parts else Flows.of(*(np.empty(0),) * 4, -1)


def _devices(
    common: np.random.Generator, own: np.random.Generator, seconds: float, parameters: NetworkParameters
) -> Flows:
    """Devices that call their maker's cloud at their own steady pace."""
    parts = []
    for device in range(round(parameters.devices)):
        every, size = common.uniform(60, 600), common.uniform(300, 4000)
        starts = own.uniform(0, every) + every * np.arange(int(seconds / every) + 1)
        starts = np.abs(starts + own.normal(0, 0.3, len(starts)))
        each = size * own.lognormal(0, 0.1, len(starts))
        parts.append(Flows.of(starts, 0.4, each, 1.5 * each, _DEVICE_HOSTS + device % 12))
    return Flows.join(parts)


def _uploads(rng: np.random.Generator, worked: FloatArray, clock: Clock, parameters: NetworkParameters) -> Flows:
    """Files that are put into the cloud, and the backup of the night."""
    p = parameters
    when = _moments(rng, 0.05 + worked, clock, 10 * 3600 / p.sync_every)
    size = np.clip(p.sync_bytes * np.exp(1.3 * rng.standard_normal(len(when))), 2e4, 4e8)
    files = Flows.of(when, 0.3 + size / _rates(rng, len(when), p), 0.01 * size, size, _CLOUD + 1)
    midnight = -float(clock.hour[0]) * 3600
    nights = midnight + p.backup_hour * 3600 + DAY_S * np.arange(int(len(clock) * clock.period_s / DAY_S) + 2)
    nights = nights + rng.normal(0, 120, len(nights))
    size = p.backup_bytes * np.exp(0.4 * rng.standard_normal(len(nights)))
    lasts = size / (p.backup_rate * BYTES_PER_MBIT * rng.uniform(0.9, 1.1, len(nights)))
    inside = nights >= 0
    backup = Flows.of(nights[inside], lasts[inside], 0.01 * size[inside], size[inside], _CLOUD + 2)
    return Flows.join([files, backup])


def _downloads(rng: np.random.Generator, seconds: float, parameters: NetworkParameters) -> Flows:
    """Software updates at any hour."""
    when = rng.uniform(0, seconds, rng.poisson(parameters.updates * seconds / DAY_S))
    size = np.clip(8e7 * (1 + rng.pareto(1.2, len(when))), 8e7, 2e9)
    rate = BYTES_PER_MBIT * rng.uniform(10, 70, len(when))
    return Flows.of(when, size / rate, size, 0.002 * size, _CLOUD + 3)


def _moments(rng: np.random.Generator, worked: FloatArray, clock: Clock, per_day: float) -> FloatArray:
    """Random moments, ``per_day`` on a working day of ten full hours, more often when more people work."""
    count = rng.poisson(worked * per_day * clock.period_s / 36_000)
    return (np.repeat(np.arange(len(count)), count) + rng.random(int(count.sum()))) * clock.period_s
