"""The simulated electrocardiogram: a healthy heart when healthy, and each fault as a cardiologist would know it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.signal import find_peaks, welch

from vedette.train.simulators.ecg import HZ, PARAMETERS, SIMULATOR
from vedette.train.simulators.ecg_rhythm import live, sinus
from vedette.train.simulators.processes import Streams
from vedette.train.simulators.recording import Recording

FloatArray = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def both() -> tuple[Recording, Recording]:
    """Six minutes of normal rhythm and the default test."""
    return SIMULATOR(7, 0.1, 0.4)


def events(recording: Recording, kind: str) -> list[slice]:
    assert recording.fault is not None
    edges = np.flatnonzero(np.diff((recording.fault == kind).astype(int), prepend=0, append=0)).reshape(-1, 2)
    return [slice(start, stop) for start, stop in edges]


def r_times(lead: FloatArray) -> FloatArray:
    """Seconds at which a lead's R peaks are."""
    steep = np.convolve(np.gradient(lead) ** 2, np.ones(10), "same")
    peaks, _ = find_peaks(steep, height=0.3 * np.quantile(steep, 0.98), distance=int(0.25 * HZ))
    return peaks / HZ


def rr_spectrum_power(seed: int) -> tuple[float, float]:
    """Power of the RR interval in ms2 in the low- and the high-frequency band, of someone at rest."""
    body = live(Streams(seed, "common"), Streams(seed, "train"), 3000, PARAMETERS)
    times = sinus(body)
    resting = np.flatnonzero(~body.walking)
    runs = np.split(resting, np.flatnonzero(np.diff(resting) > 1) + 1)
    longest = max(runs, key=len) / 8.0
    begin, end = longest[0] + 90, longest[-1]  # after the recovery from a walk
    inside = times[(times > begin) & (times < end)]
    grid = np.arange(inside[1], inside[-1], 0.25)
    series = np.interp(grid, inside[1:], 1000 * np.diff(inside))
    hz, power = welch(series - series.mean(), fs=4, nperseg=min(512, len(series)))
    width = hz[1] - hz[0]
    low, high = ((hz >= 0.04) & (hz < 0.15)), ((hz >= 0.15) & (hz < 0.45))
    return float(power[low].sum() * width), float(power[high].sum() * width)


def test_the_heart_rate_and_the_intervals_are_those_of_a_healthy_adult(both: tuple[Recording, Recording]) -> None:
    intervals = np.diff(r_times(both[0].values[:, 0]))
    rate = 60 / intervals
    assert 55 < np.median(rate) < 110
    assert 0.45 < intervals.min() < intervals.max() < 1.4
    assert 0.01 < intervals.std() < 0.2
    assert np.abs(np.diff(intervals)).max() < 0.35, "no premature beat in normal data"


def test_the_variability_has_the_power_of_the_standard_in_both_bands() -> None:
    low, high = np.mean([rr_spectrum_power(seed) for seed in range(6)], axis=0)
    assert low == pytest.approx(PARAMETERS.lf_power, rel=0.5)
    assert high == pytest.approx(PARAMETERS.hf_power, rel=0.5)


def test_the_average_beat_has_p_qrs_and_t_in_their_places_and_within_normal_limits() -> None:
    body_free = SIMULATOR(11, 0.1, 0.4)[0].values[:, 0]
    moments = np.round(r_times(body_free) * HZ).astype(int)[2:-2]
    beats = np.array([body_free[moment - 40 : moment + 60] for moment in moments])
    mean = np.median(beats - np.median(beats[:, :12], axis=1, keepdims=True), axis=0)
    r = int(mean.argmax())
    assert abs(r - 40) <= 2
    p, t = mean[r - 28 : r - 12].max(), mean[r + 18 : r + 50].max()
    assert 0.04 < p < 0.25
    assert 0.1 < t < 0.6
    assert 0.6 < mean[r] < 2.0
    assert t > p
    assert mean[r - 6 : r].min() < 0 > mean[r : r + 8].min(), "Q and S go below the baseline"


def test_walking_raises_the_rate_and_the_noise() -> None:
    body = live(Streams(5, "common"), Streams(5, "train"), 3000, PARAMETERS)
    walking = np.convolve(body.walking, np.ones(160), "full")[: len(body.walking)] >= 160  # for 20 s already
    resting = np.convolve(~body.walking, np.ones(960), "full")[: len(body.walking)] >= 960  # for 2 min already
    assert 60 * (body.rate[walking].mean() - body.rate[resting].mean()) > 15


def test_a_premature_ventricular_beat_is_early_broad_and_followed_by_a_full_pause(
    both: tuple[Recording, Recording],
) -> None:
    test = both[1]
    for rows in events(test, "pvc"):
        assert 0.8 < (rows.stop - rows.start) / HZ < 2.6
        beat = test.values[rows.start : rows.start + 40, 0]
        half = (beat - np.median(test.values[rows, 0]) > 0.5 * beat.max()).sum() / HZ
        assert half > 0.06, "a sinus beat is above half its height for 25 ms"
        assert test.values[rows, 1].min() < -0.6, "it comes from elsewhere: V5 points down"


def test_a_premature_atrial_beat_is_early_and_narrow(both: tuple[Recording, Recording]) -> None:
    test = both[1]
    found = 0
    for rows in events(test, "pac"):
        times = r_times(test.values[rows.start - 500 : rows.stop + 500, 0]) + (rows.start - 500) / HZ
        before = times[times < rows.start / HZ + 0.1]
        inside = times[(times > rows.start / HZ + 0.1) & (times < rows.stop / HZ)]
        if len(inside) == 1 and len(before) > 3:
            found += inside[0] - before[-1] < 0.93 * np.median(np.diff(before))
    assert found >= 6


def test_a_missed_beat_leaves_a_gap_without_qrs(both: tuple[Recording, Recording]) -> None:
    test = both[1]
    for rows in events(test, "missed_beat"):
        normal = np.ptp(test.values[rows.start - 250 : rows.start, 0])
        assert np.ptp(test.values[rows, 0]) < 0.75 * normal
        assert 0.4 < (rows.stop - rows.start) / HZ < 2.6


def test_a_tachycardia_beats_at_its_rate_and_stops(both: tuple[Recording, Recording]) -> None:
    test = both[1]
    for rows in events(test, "tachycardia"):
        inside = r_times(test.values[rows, 0])
        fast = 60 / np.median(np.diff(inside))
        assert 125 < fast < 205
        assert 3 < (rows.stop - rows.start) / HZ < 13


def test_st_elevation_raises_the_segment_between_qrs_and_t(both: tuple[Recording, Recording]) -> None:
    test = both[1]

    def level(rows: slice, lead: int) -> float:
        """Median of 70 to 110 ms after R over 70 to 50 ms before it."""
        moments = np.round(r_times(test.values[rows, 0]) * HZ).astype(int)[1:-1] + rows.start
        after = np.median([test.values[m + 9 : m + 14, lead].mean() for m in moments])
        return float(after - np.median([test.values[m - 9 : m - 6, lead].mean() for m in moments]))

    for rows in events(test, "st_elevation"):
        assert (rows.stop - rows.start) / HZ >= 30
        settled = slice(rows.start + int(6 * HZ), rows.stop)
        for lead in (0, 1):
            assert level(settled, lead) - level(slice(rows.start - 1250, rows.start), lead) > 0.05


def test_an_electrode_off_saturates_or_drowns_the_beats_in_hum(both: tuple[Recording, Recording]) -> None:
    test = both[1]
    for rows in events(test, "electrode_off"):
        part = test.values[rows]
        rail = np.abs(part).max() > 3
        hum = max(np.abs(np.diff(part[: len(part) // 2, lead])).mean() for lead in (0, 1))
        assert rail or hum > 0.05
        assert np.abs(test.values[rows.stop : rows.stop + 100]).max() < 2.5, "it has recovered where the label ends"
