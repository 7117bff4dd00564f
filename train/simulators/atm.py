"""Counters of a cash machine, read every five minutes: customers and their money, then fraud and failures.

Customers come at random, more of them at noon, on Fridays and after payday; what they ask for leaves the cassettes, and
a carrier fills them again. ``docs/simulators.md`` explains the model and lists every parameter with its source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.train.simulators.atm_parameters import AtmParameters
from vedette.train.simulators.events import Event, FaultKind
from vedette.train.simulators.processes import BoolArray, Clock, FloatArray, Streams, daily, wander
from vedette.train.simulators.simulator import Part, Simulator, two_parts

IntArray = npt.NDArray[np.int64]

PARAMETERS = AtmParameters()
UNITS = {"withdrawals": "", "amount": "EUR", "declines": "", "inquiries": "", "cash": "EUR", "response_ms": "ms"}
WITHDRAWALS, AMOUNT, DECLINES, INQUIRIES, CASH, RESPONSE = range(len(UNITS))
MINUTE, HOUR, DAY_S = 60.0, 3600.0, 86_400.0

FAULTS = (
    FaultKind("card_testing", 20 * MINUTE, 90 * MINUTE),
    FaultKind("jackpotting", 10 * MINUTE, 30 * MINUTE),
    FaultKind("network_outage", 15 * MINUTE, 3 * HOUR),
    FaultKind("dispenser_jam", 1 * HOUR, 6 * HOUR, hours=(7.0, 18.0)),
    FaultKind("stuck_counters", 1 * HOUR, 5 * HOUR),
    FaultKind("skimmer", 4 * HOUR, 9 * HOUR, hours=(7.0, 15.0)),
)
REST_S = 2 * HOUR
VISIT_DAYS = (0, 2, 4)


@dataclass
class _Faults:
    """How bad each fault is at each row, 0 where there is none; every array ``(n,)``."""

    tried: FloatArray
    dispensed: FloatArray
    lost: FloatArray
    jammed: FloatArray
    misread: FloatArray


def _live(part: Part) -> tuple[FloatArray, tuple[Event, ...]]:
    """One part of a recording."""
    faults = _strike(part)
    counters = _Machine(part, faults).counters()
    for event in part.events:
        if event.kind == "stuck_counters":
            counters[event.rows] = counters[event.start - 1]
    return counters.astype(np.float64), part.events


def _strike(part: Part) -> _Faults:
    """The faults of the machine at each row; a stuck counter is in the agent, and comes later."""
    faults = _Faults(*np.zeros((5, len(part.clock))))
    minutes = part.clock.period_s / MINUTE
    rng = part.own["strikes"]

    def between(event: Event, bounds: tuple[float, float]) -> float:
        return float(np.interp(event.severity, (0, 1), bounds))

    for event in part.events:
        rows = event.rows
        if event.kind == "card_testing":
            faults.tried[rows] = between(event, PARAMETERS.testing) * minutes
        elif event.kind == "jackpotting":
            notes = PARAMETERS.dispensed * event.severity * minutes
            faults.dispensed[rows] = notes * rng.uniform(*PARAMETERS.dispensed_note)
        elif event.kind == "network_outage":
            faults.lost[rows] = between(event, PARAMETERS.lost_messages)
        elif event.kind == "dispenser_jam":
            faults.jammed[rows] = between(event, PARAMETERS.jammed)
        elif event.kind == "skimmer":
            faults.misread[rows] = between(event, PARAMETERS.misread)
    return faults


class _Machine:
    """What happens at the machine, row by row."""

    def __init__(self, part: Part, faults: _Faults) -> None:
        self._faults = faults
        self._clock = part.clock
        self._own = part.own
        self._customers = _customers(part.common, part.own, part.clock)

    def counters(self) -> IntArray:
        """All channels, ``(n, 6)``."""
        faults, own, clock = self._faults, self._own, self._clock
        visits = _visits(own["visits"], clock)
        out = visits | (faults.dispensed > 0)  # an attacked machine shows that it is out of service
        customers = np.where(out, 0, self._customers)
        tried = own["testing"].poisson(faults.tried)
        unread = own["reader"].binomial(customers, faults.misread)
        served = customers - unread + own["reader again"].binomial(unread, PARAMETERS.retry * (1 - faults.misread))
        asked = own["withdraw"].binomial(served, PARAMETERS.withdraw)
        inquiries = own["inquire"].binomial(served, PARAMETERS.inquire)

        refused = own["decline"].binomial(asked, _declined(clock))
        lost = own["line"].binomial(asked - refused, faults.lost)
        jammed = own["dispenser"].binomial(asked - refused - lost, faults.jammed)
        again = own["again"].binomial(lost + jammed, PARAMETERS.retry)  # fails again, mostly
        tested = own["tested"].binomial(tried, PARAMETERS.testing_declined)
        withdrawals = asked - refused - lost - jammed + (tried - tested) // 2
        unanswered = own["unanswered"].binomial(inquiries, faults.lost)
        inquiries = inquiries - unanswered + (tried - tested + 1) // 2
        declines = refused + lost + jammed + again + unanswered + tested + unread

        amounts = _amounts(own["amounts"], withdrawals)
        paid, taken, cash = self._pay(amounts, withdrawals, visits)
        declines += withdrawals - paid  # the cassettes were empty
        messages = paid + declines + inquiries
        return np.column_stack([paid, taken, declines, inquiries, cash, self._response(messages)])

    def _pay(self, amounts: list[IntArray], wanted: IntArray, visits: BoolArray) -> tuple[IntArray, IntArray, IntArray]:
        """Withdrawals that the cassettes could pay, their amount, and the cash left, each ``(n,)``."""
        p, clock, rng = PARAMETERS, self._clock, self._own["cash"]
        level = int(p.full * rng.uniform(0.4, 0.9) // 10 * 10)
        dispensed = (self._faults.dispensed // 10 * 10).astype(np.int64)
        hour = clock.hour
        paid, taken, cash = wanted.copy(), np.zeros(len(clock), np.int64), np.zeros(len(clock), np.int64)
        extra, until = None, -1
        for row in range(len(clock)):
            if visits[row] or row == until:
                level = int(p.full)
                extra = None
            for amount in amounts[row]:
                if amount > level:
                    paid[row] -= 1
                else:
                    level -= int(amount)
                    taken[row] += int(amount)
            level -= min(level, int(dispensed[row]))
            cash[row] = level
            if level < p.low and extra is None:
                extra = row + round(p.extra_after * HOUR / clock.period_s)
            if extra is not None and row >= extra and 7 <= hour[row] < 20:
                until = row + 1
        return paid, taken, cash

    def _response(self, messages: IntArray) -> IntArray:
        """Mean time of the answers in ms: of customers' messages and of the agent's own."""
        p, own, clock = PARAMETERS, self._own, self._clock
        samples = len(clock)
        busy = daily(clock.hour, (3, 7, 12, 17.5, 22), (0, 0.3, 1, 1, 0.2))
        typical = p.response + p.response_load * busy
        typical *= np.exp(wander(own["host"], samples, HOUR, p.response_slow, clock.period_s))
        typical *= np.where((clock.hour >= p.batch_hour) & (clock.hour < p.batch_hour + 0.5), p.batch, 1.0)
        count = messages + round(clock.period_s / p.heartbeat)
        # The mean of some lognormal answers, close to lognormal itself.
        sigma = p.response_spread / np.sqrt(count)
        mean = typical * np.exp(sigma * own["answers"].standard_normal(samples))
        unanswered = own["timeouts"].binomial(count, self._faults.lost) / count
        slowed = mean * (1 + 3 * self._faults.lost)  # what is answered on a bad line was sent more than once
        return np.round(slowed * (1 - unanswered) + p.timeout * unanswered).astype(np.int64)


def _customers(common: Streams, own: Streams, clock: Clock) -> IntArray:
    """How many customers come in each interval."""
    p = PARAMETERS
    shape = (0, 4, 6.5, 8, 10, 12.3, 14.5, 17.3, 19, 21, 23), (0.12, 0.03, 0.15, 0.7, 1.1, 1.6, 1.2, 1.9, 1.3, 0.6, 0.3)
    profile = daily(clock.hour, *shape)
    profile /= daily(np.arange(0, 24, 0.1), *shape).mean()
    late = np.where(clock.weekday == 6, 0.4 + 0.6 * np.clip((clock.hour - 9) / 3, 0, 1), 1.0)  # Sundays begin late
    since = np.minimum(np.abs(clock.day_of_month - 1), np.abs(clock.day_of_month - 25))
    after = (clock.day_of_month == 1) | (clock.day_of_month >= 25)
    payday = 1 + p.payday * np.where(after, 0.5**since, 0.5 ** (clock.day_of_month - 1.0))
    days = own["days"].normal(0, p.day_spread, int(clock.day[-1] - clock.day[0]) + 1)[clock.day - clock.day[0]]
    bursts = wander(own["bursts"], len(clock), 40 * MINUTE, p.burst_spread, clock.period_s)
    rate = common["place"].uniform(*p.customers) * clock.period_s / DAY_S * profile * late * payday
    rate = rate * np.array(p.weekdays)[clock.weekday] * np.exp(days + bursts)
    customers: IntArray = own["customers"].poisson(rate)
    return customers


def _declined(clock: Clock) -> FloatArray:
    """Part of the requests that are declined: more of them in the week before payday."""
    before = (clock.day_of_month >= 18) & (clock.day_of_month < 25)
    return PARAMETERS.declined + PARAMETERS.declined_before_payday * before.astype(float)


def _visits(rng: np.random.Generator, clock: Clock) -> BoolArray:
    """Rows at which the carrier has the machine open."""
    visiting = np.zeros(len(clock), bool)
    first = clock.day[0]
    midnights = -float(clock.hour[0]) * HOUR
    for day in range(int(clock.day[-1] - first) + 1):
        begins = (
            midnights + day * DAY_S + HOUR * (PARAMETERS.visit_hour + PARAMETERS.visit_spread * rng.standard_normal())
        )
        lasts = MINUTE * rng.uniform(*PARAMETERS.visit_time)
        if (first + day) % 7 in VISIT_DAYS and begins >= 0:
            visiting[int(begins / clock.period_s) : int((begins + lasts) / clock.period_s) + 1] = True
    return visiting


def _amounts(rng: np.random.Generator, withdrawals: IntArray) -> list[IntArray]:
    """The amounts asked for in each interval, in EUR."""
    weights = np.array(PARAMETERS.note_weights)
    drawn = rng.choice(np.array(PARAMETERS.notes, np.int64), int(withdrawals.sum()), p=weights / weights.sum())
    return np.split(drawn, np.cumsum(withdrawals)[:-1])


SIMULATOR = Simulator(
    title="the counters of a cash machine",
    units=UNITS,
    faults=tuple(kind.name for kind in FAULTS),
    period_s=PARAMETERS.sample_period,
    train_hours=90 * 24.0,
    test_hours=60 * 24.0,
    max_hours=3 * 366 * 24.0,
    parameters=PARAMETERS,
    run=two_parts(_live, channels=tuple(UNITS), faults=FAULTS, period_s=PARAMETERS.sample_period, rest_s=REST_S),
)
