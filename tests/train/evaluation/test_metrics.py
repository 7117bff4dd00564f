"""The metrics, against slow and literal versions of their definitions."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.train.evaluation.metrics import VUS_THRESHOLDS, auc_pr, auc_roc, count_events, events, f1, vus_pr

Labels = npt.NDArray[np.int8]
SERIES = st.integers(1, 60).flatmap(
    lambda count: st.tuples(
        st.lists(st.integers(0, 1), min_size=count, max_size=count),
        st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9, 1.5]), min_size=count, max_size=count),
    )
)


def labels(bits: list[int]) -> Labels:
    return np.array(bits, np.int8)


def slow_events(bits: list[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for row, bit in enumerate(bits):
        if bit and row and bits[row - 1]:
            found[-1] = (found[-1][0], row)
        elif bit:
            found.append((row, row))
    return found


def slow_vus_pr(bits: list[int], scores: list[float], buffer: int) -> float:
    """The volume under the precision-recall surface, row by row and line by line.

    Every event is widened by half a buffer on both sides; its weight falls off as the square root of one minus the
    distance over the buffer. Weights of neighbouring events add up to at most 1. With a line drawn across the scores:
    precision is the weight of the rows on or above it over their number; recall is that weight over the mean of the
    events' own rows and the rows that could have counted (all of the events', and of the buffers the part on or above
    the line), times the part of the widened events, merged where they meet, that the line finds at all.
    """
    count, spans = len(bits), slow_events(bits)
    ordered = sorted(scores, reverse=True)
    lines = [ordered[int(i)] for i in np.linspace(0, count - 1, VUS_THRESHOLDS)]
    areas = []
    for width in range(buffer + 1):
        half = width // 2
        weight = [float(bit) for bit in bits]
        for first, last in spans:
            for row in range(count):
                distance = max(first - row, row - last)
                if 0 < distance <= half:
                    weight[row] += math.sqrt(1 - distance / width)
        weight = [1.0 if bit else min(value, 1.0) for bit, value in zip(bits, weight, strict=True)]
        merged: list[list[int]] = []
        for first, last in spans:
            if merged and first - half <= merged[-1][1] + half:
                merged[-1][1] = last
            else:
                merged.append([first, last])
        area, before = 0.0, 0.0
        for line in lines:
            above = [score >= line for score in scores]
            hit = sum(value for value, flag in zip(weight, above, strict=True) if flag)
            possible = sum(
                1.0 if bit else value for value, flag, bit in zip(weight, above, bits, strict=True) if bit or flag
            )
            found = sum(any(above[max(first - half, 0) : last + half + 1]) for first, last in merged)
            recall = min(hit / ((sum(bits) + possible) / 2), 1.0) * found / len(merged)
            area += (recall - before) * hit / sum(above)
            before = recall
        areas.append(area)
    return float(np.mean(areas))


@settings(max_examples=50)
@given(SERIES, st.integers(0, 12))
def test_vus_pr_is_its_definition(series: tuple[list[int], list[float]], buffer: int) -> None:
    bits, scores = series
    found = vus_pr(labels(bits), np.array(scores), buffer)
    if any(bits):
        assert found == pytest.approx(slow_vus_pr(bits, scores, buffer), abs=1e-9)
        assert 0.0 <= found <= 1.0 + 1e-9
    else:
        assert math.isnan(found)


@pytest.mark.parametrize("seed", range(3))
def test_vus_pr_is_its_definition_where_there_are_more_rows_than_lines(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bits = (rng.random(700) < 0.02).cumsum() % 2
    scores = rng.random(700) + bits * 0.5
    expected = slow_vus_pr(bits.tolist(), scores.tolist(), 5)
    assert vus_pr(bits.astype(np.int8), scores, 5) == pytest.approx(expected, abs=1e-9)


EDGE_CASES = {
    "events at both borders": [1] * 5 + [0] * 90 + [1] * 5,
    "events that nearly touch": [0] * 30 + [1] * 10 + [0] + [1] * 10 + [0] * 49,
    "edges that overlap": [0] * 30 + [1] * 10 + [0] * 8 + [1] * 10 + [0] * 42,
    "one row": [0] * 50 + [1] + [0] * 49,
    "every second row": [0, 1] * 50,
    "all but one row": [1] * 60 + [0] + [1] * 39,
    "all rows": [1] * 100,
}


@pytest.mark.parametrize("buffer", [0, 1, 2, 7, 20, 120])
@pytest.mark.parametrize("name", EDGE_CASES)
def test_vus_pr_is_its_definition_in_edge_cases(name: str, buffer: int) -> None:
    bits = EDGE_CASES[name]
    scores = np.sin(np.arange(100) * 0.7) + bits
    expected = slow_vus_pr(bits, scores.tolist(), buffer)
    assert vus_pr(labels(bits), scores, buffer) == pytest.approx(expected, abs=1e-9)


# What the TSB-AD benchmark's own implementation (version 1.5, RangeAUC_volume_opt with 250 thresholds) gives for the
# series of `reference_series`, by seed and buffer.
TSB_AD = {
    (0, 0): 0.044164161320739206,
    (0, 5): 0.09707381711846397,
    (0, 16): 0.2722783884345356,
    (0, 64): 0.5970295820407917,
    (1, 0): 0.07728756744882828,
    (1, 5): 0.11029395484428056,
    (1, 16): 0.26554372153930483,
    (1, 64): 0.6414479489360145,
    (2, 0): 0.08945959363857854,
    (2, 5): 0.1835486352268952,
    (2, 16): 0.4303694255809112,
    (2, 64): 0.7747664411511204,
    (3, 0): 0.10807712787361251,
    (3, 5): 0.19262359943116347,
    (3, 16): 0.4124041667055312,
    (3, 64): 0.785720383608994,
}


def reference_series(seed: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """600 rows with some events, the score a wave and a step up inside events; only sums, so that it is everywhere the
    same."""
    rows = np.arange(600)
    bits = ((rows * (seed + 3)) % 211 < 9 + 4 * seed).astype(np.int8)
    return bits, ((rows * 7919 + seed * 104_729) % 1009) / 1009 + 0.4 * np.roll(bits, 3)


@pytest.mark.parametrize(("seed", "buffer"), TSB_AD)
def test_vus_pr_is_that_of_the_benchmark_it_is_compared_with(seed: int, buffer: int) -> None:
    assert vus_pr(*reference_series(seed), buffer) == pytest.approx(TSB_AD[seed, buffer], abs=1e-12)


def test_vus_pr_of_a_perfect_score_is_one_without_a_buffer() -> None:
    bits = [0] * 30 + [1] * 10 + [0] * 30
    assert vus_pr(labels(bits), np.array(bits, float), 0) == pytest.approx(1.0)


def test_vus_pr_forgives_a_near_miss_and_plain_precision_recall_does_not() -> None:
    bits = labels([0] * 50 + [1] * 10 + [0] * 50)
    near, far = np.zeros(110), np.zeros(110)
    near[60:70] = far[90:100] = 1.0
    assert vus_pr(bits, near, 16) > 1.4 * vus_pr(bits, far, 16)
    assert auc_pr(bits, near) == pytest.approx(auc_pr(bits, far))


@given(SERIES)
def test_auc_roc_is_the_chance_that_an_anomalous_row_scores_higher(series: tuple[list[int], list[float]]) -> None:
    bits, scores = series
    high = [score for bit, score in zip(bits, scores, strict=True) if bit]
    low = [score for bit, score in zip(bits, scores, strict=True) if not bit]
    found = auc_roc(labels(bits), np.array(scores))
    if high and low:
        wins = sum((a > b) + 0.5 * (a == b) for a in high for b in low)
        assert found == pytest.approx(wins / (len(high) * len(low)))
    else:
        assert math.isnan(found)


def test_areas_without_both_classes_are_not_defined() -> None:
    scores = np.array([0.1, 0.2, 0.3])
    assert math.isnan(auc_roc(labels([0, 0, 0]), scores))
    assert math.isnan(auc_roc(labels([1, 1, 1]), scores))
    assert math.isnan(auc_pr(labels([0, 0, 0]), scores))
    assert math.isnan(vus_pr(labels([0, 0, 0]), scores, 4))
    assert auc_pr(labels([1, 1, 1]), scores) == 1.0
    assert vus_pr(labels([1, 1, 1]), scores, 4) == pytest.approx(1.0)


def test_a_constant_score_is_chance() -> None:
    bits = labels([0, 1, 0, 1, 0])
    assert auc_roc(bits, np.ones(5)) == 0.5
    assert auc_pr(bits, np.ones(5)) == pytest.approx(0.4)


@given(st.lists(st.integers(0, 1), max_size=30))
def test_events_are_the_runs_of_ones(bits: list[int]) -> None:
    assert events(np.array(bits, np.int8)) == slow_events(bits)
    assert events(np.array(bits, bool)) == slow_events(bits)


@given(
    series=st.lists(st.tuples(st.integers(0, 1), st.booleans()), min_size=1, max_size=40),
    tolerance=st.integers(0, 6),
    gap=st.integers(0, 6),
)
def test_alarms_are_counted_as_a_person_would(series: list[tuple[int, bool]], tolerance: int, gap: int) -> None:
    bits, alarm = [bit for bit, _ in series], [flag for _, flag in series]
    counts = count_events(labels(bits), np.array(alarm), tolerance, gap=gap)
    spans = slow_events(bits)
    delays = []
    for first, last in spans:
        inside = [row for row in range(first, last + 1) if alarm[row]]
        delays += [inside[0] - first] if inside else []
    raised = [row for row, flag in enumerate(alarm) if flag]
    starts = [row for row in raised if not any(row - max(gap, 1) <= other < row for other in raised)]
    false = [row for row in starts if not any(first - tolerance <= row <= last + tolerance for first, last in spans)]
    assert (counts.total, counts.found) == (len(spans), len(delays))
    assert counts.delays == tuple(delays)
    assert (counts.alarms, counts.false_alarms) == (len(starts), len(false))
    if spans:
        assert counts.recall == len(delays) / len(spans)
    if starts:
        assert counts.precision == pytest.approx(1 - len(false) / len(starts))
    assert math.isnan(counts.recall) == (not spans)
    assert math.isnan(counts.precision) == (not starts)


def test_an_alarm_that_goes_on_is_no_second_one_and_one_that_flickers_is_one_within_the_gap() -> None:
    bits = labels([0] * 30)
    alarm = np.zeros(30, bool)
    alarm[[5, 6, 7, 10, 20]] = True
    assert count_events(bits, alarm, 0).alarms == 3
    assert count_events(bits, alarm, 0, gap=3).alarms == 2
    assert count_events(bits, alarm, 0, gap=10).alarms == 1


def test_finding_one_row_of_an_event_is_not_finding_them_all() -> None:
    """No point adjustment: a hit inside an event earns that row only."""
    bits = labels([0] * 10 + [1] * 10)
    alarm = np.zeros(20, bool)
    alarm[12] = True
    assert f1(bits, alarm) == pytest.approx(2 / 11)


@given(st.lists(st.tuples(st.integers(0, 1), st.booleans()), min_size=1, max_size=40))
def test_f1_is_the_harmonic_mean_of_precision_and_recall(series: list[tuple[int, bool]]) -> None:
    hits = sum(1 for bit, flag in series if bit and flag)
    found = f1(labels([bit for bit, _ in series]), np.array([flag for _, flag in series]))
    if not hits:
        assert found == 0.0
        return
    precision = hits / sum(flag for _, flag in series)
    recall = hits / sum(bit for bit, _ in series)
    assert found == pytest.approx(2 * precision * recall / (precision + recall))
