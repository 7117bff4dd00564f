"""The numbers of the simulated cash machine, each with its unit, meaning and source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vedette.train.simulators.parameters import Doc

Pair = tuple[float, float]

_ASSUMED = "assumed"
_PLACE = "assumed; drawn once per seed"
_SEASONS = "shape: daily, weekly and payday seasons of cash demand (NN5; Simutis et al., 2008); value assumed"
_FAULT = "value assumed"


@dataclass(frozen=True)
class AtmParameters:
    """A cash machine in a shopping street, watched by its operator's monitoring agent."""

    sample_period: Annotated[float, Doc("s", "counters are read and reset every five minutes", _ASSUMED)] = 300.0

    # Customers
    customers: Annotated[Pair, Doc("1/d", "range of the mean number of customers", _PLACE)] = (230.0, 340.0)
    weekdays: Annotated[tuple[float, ...], Doc("", "customers from Monday to Sunday, to the mean", _SEASONS)] = (
        0.92,
        0.93,
        0.96,
        1.05,
        1.32,
        1.20,
        0.62,
    )
    payday: Annotated[float, Doc("", "further customers on the 1st and the 25th, halving within a day", _SEASONS)] = (
        0.45
    )
    day_spread: Annotated[float, Doc("", "spread of the logarithm from day to day", _ASSUMED)] = 0.10
    burst_spread: Annotated[float, Doc("", "spread of the logarithm, correlated over 40 min", _ASSUMED)] = 0.22
    withdraw: Annotated[float, Doc("", "part of the customers who ask for money", _ASSUMED)] = 0.86
    inquire: Annotated[float, Doc("", "part of the customers who ask for their balance", _ASSUMED)] = 0.24
    declined: Annotated[float, Doc("", "part of the requests that are declined: funds, PIN, limit", _ASSUMED)] = 0.045
    declined_before_payday: Annotated[float, Doc("", "further part in the week before the 25th", _ASSUMED)] = 0.03
    notes: Annotated[tuple[float, ...], Doc("EUR", "amounts that are asked for", _ASSUMED)] = (
        10.0,
        20.0,
        30.0,
        50.0,
        70.0,
        100.0,
        150.0,
        200.0,
        300.0,
        400.0,
        500.0,
    )
    note_weights: Annotated[tuple[float, ...], Doc("", "how often, in hundredths", _ASSUMED)] = (
        4.0,
        14.0,
        6.0,
        22.0,
        5.0,
        20.0,
        9.0,
        11.0,
        5.0,
        2.0,
        2.0,
    )

    # Cash
    full: Annotated[float, Doc("EUR", "cash after a visit of the carrier", _ASSUMED)] = 120_000.0
    visit_hour: Annotated[float, Doc("h", "when the carrier comes, on Monday, Wednesday and Friday", _ASSUMED)] = 9.5
    visit_spread: Annotated[float, Doc("h", "spread of that hour", _ASSUMED)] = 0.6
    visit_time: Annotated[Pair, Doc("min", "range of the time out of service", _ASSUMED)] = (10.0, 25.0)
    low: Annotated[float, Doc("EUR", "level below which an extra visit is ordered", _ASSUMED)] = 12_000.0
    extra_after: Annotated[float, Doc("h", "time until that visit, between 7 and 20 o'clock", _ASSUMED)] = 3.0

    # Host
    response: Annotated[float, Doc("ms", "median time of the host's answer, at night", _ASSUMED)] = 620.0
    response_load: Annotated[float, Doc("ms", "further time at the busiest hour", _ASSUMED)] = 260.0
    response_spread: Annotated[float, Doc("", "spread of the logarithm of one answer", _ASSUMED)] = 0.35
    response_slow: Annotated[float, Doc("", "spread of the logarithm, correlated over 1 h", _ASSUMED)] = 0.06
    heartbeat: Annotated[float, Doc("s", "time between the agent's own test messages", _ASSUMED)] = 60.0
    batch_hour: Annotated[float, Doc("h", "when the host's nightly batch begins; it lasts half an hour", _ASSUMED)] = (
        2.25
    )
    batch: Annotated[float, Doc("", "answers take so many times longer then", _ASSUMED)] = 1.8
    timeout: Annotated[float, Doc("ms", "time after which a message counts as unanswered", _ASSUMED)] = 30_000.0

    # Faults, from severity 0 to 1
    testing: Annotated[Pair, Doc("1/min", "cards that are tried", _FAULT)] = (0.3, 2.5)
    testing_declined: Annotated[float, Doc("", "part of them that are declined", _FAULT)] = 0.8
    dispensed: Annotated[
        float, Doc("1/min", "notes dispensed at severity 1", "40 every 23 s: US Secret Service (2018)")
    ] = 104.0
    dispensed_note: Annotated[Pair, Doc("EUR", "range of their mean value", _FAULT)] = (20.0, 45.0)
    lost_messages: Annotated[Pair, Doc("", "part of the messages without answer on a bad line", _FAULT)] = (0.2, 1.0)
    jammed: Annotated[Pair, Doc("", "part of the withdrawals that fail in the dispenser", _FAULT)] = (0.35, 1.0)
    misread: Annotated[Pair, Doc("", "part of the cards that a reader with a skimmer misreads", _FAULT)] = (0.08, 0.45)
    retry: Annotated[float, Doc("", "part of the failed customers who try once more", _ASSUMED)] = 0.6
