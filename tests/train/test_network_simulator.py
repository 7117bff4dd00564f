"""The simulated gateway: traffic of an office in whole numbers that agree, and each attack in the right counters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from vedette.train.simulators.network import (
    BYTES_IN,
    BYTES_OUT,
    DESTINATIONS,
    DNS,
    FLOWS,
    PACKETS_IN,
    PACKETS_OUT,
    PARAMETERS,
    RETRANSMITS,
    SIMULATOR,
    SYN_RATIO,
)
from vedette.train.simulators.network_flows import Flows
from vedette.train.simulators.recording import Recording

Pair = tuple[Recording, Recording]


@pytest.fixture(scope="module")
def both() -> Pair:
    """A day, and a test of a week."""
    return SIMULATOR(7, 24, 168)


def events(recording: Recording, kind: str) -> list[slice]:
    assert recording.fault is not None
    edges = np.flatnonzero(np.diff((recording.fault == kind).astype(int), prepend=0, append=0)).reshape(-1, 2)
    return [slice(start, stop) for start, stop in edges]


def lifted(recording: Recording, rows: slice, channel: int) -> float:
    """How many times larger the median of a channel is than in the half hour before."""
    before = recording.values[rows.start - 180 : rows.start, channel]
    return float((np.median(recording.values[rows, channel]) + 1) / (np.median(before) + 1))


def test_counters_are_whole_numbers_and_none_is_negative(both: Pair) -> None:
    for recording in both:
        counts = np.delete(recording.values, SYN_RATIO, axis=1)
        assert (counts >= 0).all()
        assert (counts == np.round(counts)).all()
        assert (recording.values[:, SYN_RATIO] > 0).all()


def test_packets_and_bytes_agree_and_the_link_carries_no_more_than_it_can(both: Pair) -> None:
    period = PARAMETERS.sample_period
    for recording in both:
        for packets, data, capacity in (
            (PACKETS_IN, BYTES_IN, PARAMETERS.downlink),
            (PACKETS_OUT, BYTES_OUT, PARAMETERS.uplink),
        ):
            some = recording.values[:, packets] > 20
            size = recording.values[some, data] / recording.values[some, packets]
            assert 40 < size.min() < size.max() < 1500
            most = capacity * 1e6 / 8 * period
            assert recording.values[:, data].max() <= most * 1.01
        assert (recording.values[:, RETRANSMITS] <= recording.values[:, [PACKETS_IN, PACKETS_OUT]].sum(axis=1)).all()


def test_an_interval_has_no_more_new_destinations_than_flows_when_nothing_is_wrong(both: Pair) -> None:
    assert (both[0].values[:, DESTINATIONS] <= both[0].values[:, FLOWS]).all()


def test_the_office_works_by_day_and_traffic_is_bursty_with_a_heavy_tail(both: Pair) -> None:
    values = both[0].values
    hour = np.arange(len(values)) // 360
    day, night = values[(hour >= 9) & (hour < 17)], values[hour >= 22]
    assert day[:, FLOWS].mean() > 8 * night[:, FLOWS].mean()
    assert (night[:, PACKETS_IN] > 0).all(), "machines never sleep"
    rate = day[:, BYTES_IN]
    assert rate.max() > 8 * np.median(rate)
    # Averages over longer times fade much slower than those of independent values, whose spread falls with the root.
    blocks = rate[: len(rate) // 64 * 64].reshape(-1, 64).mean(axis=1)
    assert blocks.std() / rate.std() > 2.5 / np.sqrt(64)


def test_spreading_flows_over_intervals_loses_nothing() -> None:
    rng = np.random.default_rng(1)
    start: npt.NDArray[np.float64] = rng.uniform(0, 900, 500)
    flows = Flows.of(start, rng.exponential(20, 500).clip(0, 90), rng.pareto(1.2, 500), 1.0, 1)
    spread = flows.spread(flows.bytes_in, 100, 10.0)
    assert spread.sum() == pytest.approx(flows.bytes_in.sum())
    assert (spread >= 0).all()
    single = Flows.of(np.array([25.0]), 50.0, 100.0, 0.0, 1)
    assert single.spread(single.bytes_in, 10, 10.0) == pytest.approx([0, 0, 10, 20, 20, 20, 20, 10, 0, 0], abs=1e-9)


def test_a_scan_raises_flows_and_the_ratio_of_unanswered_first_packets(both: Pair) -> None:
    many = 0
    for rows in events(both[1], "port_scan"):
        assert lifted(both[1], rows, SYN_RATIO) > 1.4
        assert both[1].values[rows, FLOWS].mean() > both[1].values[rows.start - 180 : rows.start, FLOWS].mean() + 10
        many += lifted(both[1], rows, DESTINATIONS) > 2
    assert 1 <= many <= 8, "some scans go through hosts, others through ports"


def test_a_flood_raises_packets_in_far_more_than_bytes_and_flows_with_them(both: Pair) -> None:
    for rows in events(both[1], "flood"):
        values = both[1].values
        before = values[rows.start - 180 : rows.start].mean(axis=0)
        more = values[rows].mean(axis=0) - before
        assert more[FLOWS] > 2000
        assert more[PACKETS_IN] > 500
        assert values[rows, SYN_RATIO].mean() > 2


def test_an_exfiltration_sends_steadily_while_fetching_little(both: Pair) -> None:
    for rows in events(both[1], "exfiltration"):
        out = both[1].values[rows, BYTES_OUT] * 8 / PARAMETERS.sample_period / 1e6
        assert np.quantile(out, 0.05) > 0.5, "Mbit/s, in every interval"


def test_beaconing_asks_for_many_names_in_a_steady_rhythm(both: Pair) -> None:
    for rows in events(both[1], "beaconing"):
        queries = both[1].values[rows, DNS]
        before = both[1].values[rows.start - 360 : rows.start, DNS]
        assert queries.mean() > before.mean()
    loud = max(events(both[1], "beaconing"), key=lambda rows: float(both[1].values[rows, DNS].mean()))
    calls = np.flatnonzero(both[1].values[loud, DNS] > 25)
    gaps = np.diff(calls)
    assert gaps.std() < 0.5 * gaps.mean()


def test_a_bad_link_loses_packets_and_carries_less(both: Pair) -> None:
    for rows in events(both[1], "link_degradation"):
        values = both[1].values
        lost = values[rows, RETRANSMITS].sum() / values[rows][:, [PACKETS_IN, PACKETS_OUT]].sum()
        usual = both[0].values[:, RETRANSMITS].sum() / both[0].values[:, [PACKETS_IN, PACKETS_OUT]].sum()
        assert lost > 3 * usual
        assert values[rows, BYTES_IN].max() < 0.35 * PARAMETERS.downlink * 1e6 / 8 * PARAMETERS.sample_period
