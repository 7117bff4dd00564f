"""Which candidates of a search are kept: the Pareto front, the choice, and what is said where nothing fits."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from vedette.compress.search.candidate import Budget, Candidate, front, keeping_their_word, refusal
from vedette.compress.search.plot import plot_front
from vedette.compress.search.run import SearchResult
from vedette.compress.search.space import PRUNED, QUANTIZER, STUDENT, THINNED, Space, recipe_text
from vedette.compress.search.view import closing_words, front_json, front_table
from vedette.errors import ExportRefusedError
from vedette.train.recipe import parse_recipe

PLAIN = Candidate(
    recipe="ptq",
    model_bytes=12_000,
    prototype_bytes=0,
    parameters=8_000,
    arithmetic=8_000,
    latency_us=3.0,
    float_latency_us=6.0,
    host="desk",
    float_auc_roc=0.9,
    int8_auc_roc=0.9,
    auc_loss=0.0,
    broken=(),
    seconds=5.0,
)
SMALL = replace(PLAIN, recipe="distill:16,ptq", model_bytes=3_000, arithmetic=2_000, int8_auc_roc=0.895)
TINY = replace(PLAIN, recipe="distill:4,ptq", model_bytes=1_500, arithmetic=900, int8_auc_roc=0.87)
BROKEN = replace(PLAIN, recipe="prune:0.125,ptq", model_bytes=1_400, arithmetic=800, broken=("too many alarms",))
LOOSE = Budget(None, 0.99)

candidates = st.builds(
    replace,
    st.just(PLAIN),
    recipe=st.text("abcdef", min_size=1, max_size=3),
    model_bytes=st.integers(1, 8),
    arithmetic=st.integers(1, 4),
    latency_us=st.floats(0.5, 50),
    float_latency_us=st.floats(0.5, 50),
    int8_auc_roc=st.sampled_from([0.5, 0.88, 0.891, 0.9, 0.95]),
    broken=st.sampled_from([(), ("too many alarms",)]),
)


@given(st.lists(candidates, max_size=30))
def test_nothing_on_the_front_is_dominated_and_everything_off_it_is_beaten_or_the_same(found: list[Candidate]) -> None:
    shown = front(found)
    assert all(not other.dominates(candidate) for candidate in shown for other in found)
    for candidate in found:
        better_or_same = [
            other for other in shown if other.dominates(candidate) or other._figures() == candidate._figures()
        ]
        assert better_or_same


@given(st.lists(candidates, max_size=30), st.one_of(st.none(), st.integers(1, 8)))
def test_what_is_chosen_keeps_its_word_and_is_the_smallest_on_the_front_that_does(
    found: list[Candidate], max_bytes: int | None
) -> None:
    budget = Budget(max_bytes, 0.99)
    kept = keeping_their_word(found, budget)
    assert bool(kept) == any(map(budget.met_by, found))
    if kept:
        assert kept[0].bytes == min(candidate.bytes for candidate in filter(budget.met_by, found))
        assert kept[0] in front(found) or kept[0]._figures() in [candidate._figures() for candidate in front(found)]


@given(candidates)
def test_a_candidate_survives_the_study(candidate: Candidate) -> None:
    stored = {**json.loads(json.dumps(candidate.to_dict())), "another": 1}
    assert Candidate.from_dict(stored) == candidate


def test_a_small_difference_in_latency_is_none() -> None:
    slower = replace(PLAIN, latency_us=3.01, model_bytes=12_000)
    assert not PLAIN.dominates(slower)
    assert not slower.dominates(PLAIN)
    assert PLAIN.dominates(replace(PLAIN, latency_us=4.5))


def test_latencies_of_machines_are_compared_by_their_float_models() -> None:
    elsewhere = replace(PLAIN, host="board", latency_us=30.0, float_latency_us=60.0)
    assert not PLAIN.dominates(elsewhere)


def test_the_smallest_that_keeps_its_word_is_chosen() -> None:
    found = [PLAIN, BROKEN, TINY, SMALL]
    assert keeping_their_word(found, LOOSE) == [SMALL, PLAIN]
    assert keeping_their_word(found, Budget(None, 0.96))[0] == TINY
    assert keeping_their_word(found, Budget(2_000, 0.99)) == []
    assert [candidate.recipe for candidate in front(found)] == [c.recipe for c in (BROKEN, TINY, SMALL, PLAIN)]


def test_a_budget_that_nothing_meets_names_the_nearest_and_what_to_relax() -> None:
    words = refusal([PLAIN, BROKEN, TINY, SMALL], Budget(2_500, 0.99), failed={})
    assert "none of 4 candidates has 2,500 bytes or fewer and 99.0% or more" in words
    assert "Nearest is distill:16,ptq with 3,000 bytes and 99.4%: 500 bytes too many" in words
    assert "Relax: --max-bytes 3000, or --min-auc-retention 0.966" in words
    relaxed = keeping_their_word([PLAIN, BROKEN, TINY, SMALL], Budget(2_500, 0.966))
    assert relaxed == [TINY]


def test_where_one_key_is_not_enough_both_are_named() -> None:
    words = refusal([replace(TINY, model_bytes=5_000)], Budget(2_500, 0.99), failed={})
    assert "Relax both: --max-bytes 5000 --min-auc-retention 0.966" in words


def test_where_every_candidate_breaks_a_promise_the_promise_is_named() -> None:
    words = refusal([BROKEN], LOOSE, failed={})
    assert "too many alarms" in words
    assert "--trials" in words
    assert "a layer is off" in refusal([], LOOSE, failed={"ptq": "a layer is off"})


SPACE = Space(hidden=64, ranges={STUDENT: 4.0, PRUNED: 3.0, THINNED: 3.0}, quantizers=("ptq", "qat"))


def test_every_choice_is_a_recipe_that_makes_sense() -> None:
    texts = [recipe_text(SPACE.recipe(parameters)) for parameters in SPACE.all()]
    assert len(texts) == len(set(texts)) == 9 * 7 * 7 * 2
    for text in texts:
        assert recipe_text(parse_recipe(text)) == text
    assert {"ptq", "qat", "distill:4,ptq", "distill:16,prune:0.5,thin:0.25,qat"} <= set(texts)


def test_what_is_tried_first_has_every_step_and_quantizing_alone() -> None:
    first = [recipe_text(SPACE.recipe(parameters)) for parameters in SPACE.first()]
    assert first[0] == "ptq"
    assert len(first) == len(set(first)) == 10
    for step in ("distill:16", "prune:0.25", "thin:0.5", "qat"):
        assert any(step in text.split(",") for text in first)
    bare = Space(hidden=4, ranges={PRUNED: 3.0}, quantizers=("qat",))
    assert [recipe_text(bare.recipe(p)) for p in bare.first()] == [
        "qat",
        "prune:0.25,qat",
        "prune:0.5,qat",
        "prune:0.125,qat",
    ]


def test_a_recipe_that_was_tried_gives_way_to_the_nearest_one() -> None:
    wanted = {STUDENT: 2.0, PRUNED: 0.0, THINNED: 0.0, QUANTIZER: "ptq"}
    tried = {"distill:16,ptq"}
    near = SPACE.nearest_untried(wanted, tried)
    assert near is not None
    assert recipe_text(SPACE.recipe(near)) in (
        "distill:23,ptq",
        "distill:11,ptq",
        "distill:16,prune:0.707,ptq",
        "distill:16,thin:0.707,ptq",
    )
    assert SPACE.nearest_untried(wanted, {recipe_text(SPACE.recipe(p)) for p in SPACE.all()}) is None


class _Named:
    """A model directory as far as views look at it."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path, self.recipe = name, path, ()


def result(chosen: Candidate | None = None, *, interrupted: bool = False) -> SearchResult:
    source = _Named("pump", Path("pump-small"))
    return SearchResult(
        source=source,  # type: ignore[arg-type]
        board="rpi4",
        budget=LOOSE,
        float_bytes=36_000,
        candidates=(PLAIN, SMALL, TINY, BROKEN),
        failed={"qat": "the ranges still move"},
        chosen=chosen,
        model=source if chosen else None,  # type: ignore[arg-type]
        study="sqlite:///pump-small.study.db",
        interrupted=interrupted,
    )


def test_the_table_fits_a_terminal_and_shows_the_ratio_and_the_verdict() -> None:
    stream = io.StringIO()
    Console(file=stream, width=100).print(front_table(result(SMALL)))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    row = next(line for line in lines if "distill:16" in line)
    for words in ("3,000", "12.0x", "2,000", "0.895", "99.4%", "chosen"):
        assert words in row
    assert any("breaks a promise" in line and "1,400" in line for line in lines)
    assert any("too weak" in line and "1,500" in line for line in lines)
    assert "36,000 bytes" in stream.getvalue()


def test_the_json_has_the_front_and_everything_that_was_tried() -> None:
    document = json.loads(json.dumps(front_json(result(SMALL)), allow_nan=False))
    assert document["chosen"] == "distill:16,ptq"
    assert [row["recipe"] for row in document["front"]] == ["prune:0.125,ptq", "distill:4,ptq", "distill:16,ptq", "ptq"]
    assert len(document["candidates"]) == 4
    assert document["front"][2]["times_smaller"] == 12.0
    assert document["failed"] == {"qat": "the ranges still move"}


def test_the_picture_is_the_same_each_time_and_stays_text() -> None:
    picture = plot_front(result(SMALL))
    assert picture == plot_front(result(SMALL))
    assert b"distill:16,ptq" in picture
    assert plot_front(replace(result(), candidates=()))


def test_an_interrupted_search_says_how_it_goes_on_and_how_to_take_the_best_so_far() -> None:
    words = "\n".join(closing_words(result(interrupted=True)))
    assert "after 5 recipes" in words
    assert "the same command goes on" in words
    assert "--trials 5" in words
    assert closing_words(result()) == []
    with pytest.raises(ExportRefusedError, match=r"kept in sqlite:///pump-small\.study\.db"):
        replace(result(), budget=Budget(10, 0.99)).require_model()
