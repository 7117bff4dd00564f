"""Hostile input in short: thousands of payloads for each target. ``fuzz_run.py`` feeds millions."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
from fuzz_mutations import payloads
from fuzz_targets import TARGETS, Target
from hypothesis import given, settings
from hypothesis import strategies as st

PAYLOADS = 3000
# One of each, as in a gateway that has seen much.
LIVING: dict[str, Target] = {}


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_mutants_of_good_input_raise_nothing_and_are_counted(name: str) -> None:
    target = TARGETS[name]()
    for payload in islice(payloads(target.seeds, seed=7), PAYLOADS // (5 if name == "config" else 1)):
        target.feed(payload)
    read = target.counts["samples"] + target.counts["read"]
    assert min(read, target.counts["rejected"]) > PAYLOADS // 200, f"hardly any of a kind: {target.counts}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["x", "y", "z", "time", "p", "readings", "data", "meta", "id"]), inner)
    ),
    max_leaves=12,
)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=300)
@given(
    data=st.binary(max_size=300) | st.text(max_size=100).map(str.encode) | JSON.map(lambda value: repr(value).encode())
)
def test_any_bytes_raise_nothing_and_are_counted(name: str, data: bytes) -> None:
    if name not in LIVING:
        LIVING[name] = TARGETS[name]()
    LIVING[name].feed(data)


def test_every_seed_is_read() -> None:
    for name, kind in TARGETS.items():
        target = kind()
        for seed in target.seeds * 8:
            target.feed(seed)
        assert target.counts["samples"] + target.counts["read"] > 0, name


@pytest.mark.slow
def test_the_long_run_can_be_started() -> None:
    script = Path(__file__).parent / "fuzz_run.py"
    done = subprocess.run([sys.executable, script, "--count", "50"], check=True, capture_output=True, text=True)
    assert done.stdout.count('"fed": 50') == len(TARGETS)
