"""Recipes: what is read from words, and what is refused, with the reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command import Refused
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import ConfigError
from vedette.train.config import CompressConfig, load_config
from vedette.train.recipe import MAX_STUDENT_UNITS, STEPS, Step, parse_recipe

# Each wrong recipe and what its message says.
WRONG: dict[str, tuple[str, list[str]]] = {
    "an unknown step": ("distil,qat", ['"distil" is no step', 'did you mean "distill"?', "prune, thin, sparsify"]),
    "a step of another project": ("quantize", ['"quantize" is no step', "valid: distill, prune"]),
    "nothing": ("", ['"" is no step', "valid: distill"]),
    "nothing between commas": ("distill,,qat", ['"" is no step']),
    "a comma at the end": ("distill,", ['"" is no step']),
    "capitals": ("PTQ", ['"PTQ" is no step']),
    "a step twice": ("prune,thin,prune:0.9", ["prune is there twice"]),
    "both quantizers": ("ptq,qat", ["qat cannot come after ptq", "keep one of ptq and qat"]),
    "both quantizers, the other way": ("qat,ptq", ["ptq cannot come after qat", "keep one of ptq and qat"]),
    "training after quantization": ("qat,prune", ["prune cannot come after qat", "ranges", "put qat last"]),
    "a student after quantization": ("ptq,distill", ["distill cannot come after ptq", "put ptq last"]),
    "a student after pruning": ("prune,distill", ["distill cannot come after prune", "distill first, then prune"]),
    "a student after zeros": ("sparsify,distill", ["the student would take the place of the sparse network"]),
    "pruning after zeros": ("sparsify,prune", ["training after pruning would fill the zeros", "prune first"]),
    "a wrong order further on": ("distill,prune,thin,ptq,sparsify", ["sparsify cannot come after ptq"]),
    "an amount too large": ("prune:1.5", ["prune: expected 0.01 to 0.99, the part of the units that is kept", '"1.5"']),
    "everything kept": ("thin:1", ["thin: expected 0.01 to 0.99, the part of the prototypes that is kept"]),
    "everything zero": ("sparsify:1", ["sparsify: expected 0.01 to 0.99, the part of the weights"]),
    "a negative amount": ("prune:-0.5", ["prune: expected 0.01 to 0.99"]),
    "nothing as an amount": ("prune:", ['prune: expected 0.01 to 0.99', 'found ""']),
    "an amount that is no number": ("prune:half", ['found "half"']),
    "an amount that is not a number": ("prune:nan", ['found "nan"']),
    "a percentage": ("prune:50%", ['found "50%"']),
    "two amounts": ("prune:0.5:0.5", ['found "0.5:0.5"']),
    "a fraction of a unit": ("distill:12.5", ["distill: expected 1 to 4096", "a whole number", 'found "12.5"']),
    "no unit": ("distill:0", ["distill: expected 1 to 4096"]),
    "endless units": ("distill:inf", ["distill: expected 1 to 4096", 'found "inf"']),
    "so many units that they are endless": ("distill:1e999", ['found "1e999"']),
    "units that are not a number": ("distill:nan", ['found "nan"']),
    "an amount for ptq": ("ptq:8", ['ptq takes no amount, found "ptq:8"; write: ptq']),
    "an amount for qat": ("distill,qat:0.5", ['qat takes no amount, found "qat:0.5"; write: qat']),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_recipe_is_refused_with_the_reason(what: str) -> None:
    words, messages = WRONG[what]
    with pytest.raises(ConfigError, match=r"^recipe: ") as refusal:
        parse_recipe(words)
    for message in messages:
        assert message in str(refusal.value)


def test_no_step_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected one step or more, found none; valid: distill, prune"):
        parse_recipe([])


def test_a_recipe_is_read_from_text_and_from_a_list_in_its_order() -> None:
    expected = (Step("distill", 24.0), Step("prune", 0.5), Step("thin"), Step("sparsify"), Step("qat"))
    assert parse_recipe(" distill:24, prune:0.5 ,thin,sparsify,qat ") == expected
    assert parse_recipe(["distill:24", "prune:.5", "thin", "sparsify", "qat"]) == expected


@pytest.mark.parametrize("name", STEPS)
def test_each_step_may_stand_alone(name: str) -> None:
    assert parse_recipe(name) == (Step(name),)


@pytest.mark.parametrize("words", ["thin,distill", "prune,sparsify,ptq", "ptq,thin", "qat,thin:0.5", "thin,qat"])
def test_prototypes_may_be_thinned_at_any_time_and_other_orders_that_make_sense_are_taken(words: str) -> None:
    assert ",".join(str(step) for step in parse_recipe(words)) == words


@given(st.floats(0.01, 0.99), st.integers(1, MAX_STUDENT_UNITS))
def test_what_a_step_is_written_as_reads_as_that_step(part: float, units: int) -> None:
    steps = (Step("distill", float(units)), Step("prune", part), Step("thin", part), Step("qat"))
    assert parse_recipe([str(step) for step in steps]) == steps
    assert str(steps[0]) == f"distill:{units}"


@given(st.text(max_size=20))
def test_any_text_is_a_recipe_or_a_configuration_error(words: str) -> None:
    try:
        steps = parse_recipe(words)
    except ConfigError:
        return
    assert all(step.name in STEPS for step in steps)


# Steps behind a network, steps that are to follow, and why they cannot.
BEHIND = {
    "pruned": (["prune:0.5"], "distill", "distill cannot come after prune: the student would take the place"),
    "sparse": (["distill", "sparsify"], "thin,prune", "prune cannot come after sparsify"),
    "twice": (["distill:8", "prune"], "prune:0.9", r"prune was done before \(distill, prune\)"),
    "quantized": (["ptq"], "qat", "qat cannot come after ptq: ptq has quantized the network already"),
    "quantized training": (["distill", "qat"], "sparsify", "sparsify cannot come after qat"),
}


@pytest.mark.parametrize("what", BEHIND)
def test_steps_behind_a_network_count(what: str) -> None:
    behind, words, message = BEHIND[what]
    with pytest.raises(ConfigError, match=message):
        parse_recipe(words, after=behind)


@pytest.mark.parametrize("name", [name for name in STEPS if name != "thin"])
def test_nothing_that_changes_the_network_follows_training_with_quantization(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        parse_recipe(name, after=["qat"])


@pytest.mark.parametrize("after", [["distill"], ["distill", "prune"], ["thin"]])
def test_a_recipe_goes_on_where_another_ended(after: list[str]) -> None:
    assert parse_recipe("sparsify,qat", after=after) == (Step("sparsify"), Step("qat"))


# What [compress] recipe may be in a project file, and what it is read as.
PROJECTS: dict[str, tuple[str, list[str] | str | None]] = {
    "steps": ('recipe = ["distill:24", "qat"]', ["distill:24", "qat"]),
    "auto": ('recipe = "auto"', "auto"),
    "nothing": ("", None),
}


@pytest.mark.parametrize("what", PROJECTS)
def test_the_project_file_names_the_recipe(what: str, tmp_path: Path) -> None:
    line, expected = PROJECTS[what]
    (tmp_path / "vedette.toml").write_text(f"[compress]\n{line}\n")
    assert load_config(tmp_path / "vedette.toml").compress == CompressConfig(expected)  # type: ignore[arg-type]


WRONG_PROJECTS = {
    "an unknown step": ('recipe = ["distil"]', 'compress: recipe: "distil" is no step; did you mean "distill"?'),
    "an order that makes no sense": ('recipe = ["qat", "prune"]', "compress: recipe: prune cannot come after qat"),
    "no step": ("recipe = []", "compress: recipe: expected one step or more, found none"),
    "another word": ('recipe = "atuo"', "compress: recipe: expected a list of words or \"auto\", found 'atuo'"),
    "steps in one text": ('recipe = "distill,qat"', 'compress: recipe: expected a list of words or "auto"'),
    "numbers": ("recipe = [1, 2]", "compress: recipe: expected a list of words"),
    "an amount out of range": ('recipe = ["prune:2"]', "compress: recipe: prune: expected 0.01 to 0.99"),
    "another key": ('recipes = ["ptq"]', 'compress: unknown key "recipes"; did you mean "recipe"?'),
}


@pytest.mark.parametrize("what", WRONG_PROJECTS)
def test_a_wrong_recipe_in_the_project_file_is_refused_before_training(
    what: str, refused: Refused, tmp_path: Path
) -> None:
    line, message = WRONG_PROJECTS[what]
    config = tmp_path / "vedette.toml"
    config.write_text(f"[compress]\n{line}\n")
    with pytest.raises(ConfigError, match="^" + re.escape(f"{config}: {message}")):
        load_config(config)
    refused(ConfigError, [f"{config}: {message}"], "train", tmp_path / "none.csv", "-c", config, "-o", tmp_path / "m")
