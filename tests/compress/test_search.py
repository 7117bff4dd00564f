"""The search for the smallest detector: its study outlives the process, and machines share it."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from trained import TrainedDir

from vedette.compress.search.candidate import keeping_their_word
from vedette.compress.search.run import SearchResult, search
from vedette.compress.search.study import Study
from vedette.compress.search.view import write_front
from vedette.errors import ConfigError, ExportRefusedError, ModelError
from vedette.train import model_dir

pytestmark = pytest.mark.slow
BOARD, TRIALS = "x86-64", 3
PATIENCE_S = 240.0
PROGRAM = """
import json, sys
from pathlib import Path
from vedette.compress.search.run import search
from vedette.compress.search.view import closing_words, front_json, search_bar
source, output, trials, study = sys.argv[1:]
with search_bar() as on_progress:
    found = search(Path(source), Path(output), "x86-64", trials=int(trials), study=study, on_progress=on_progress)
print(json.dumps({**front_json(found), "words": closing_words(found)}))
"""


@pytest.fixture(scope="module")
def source(trained: dict[str, TrainedDir]) -> Path:
    return trained["ae"].path


@pytest.fixture(scope="module")
def found(source: Path, tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """A short search; its study is beside ``small``."""
    return search(source, tmp_path_factory.mktemp("search") / "small", BOARD, min_auc_retention=0.5, trials=TRIALS)


@pytest.fixture
def study(found: SearchResult, tmp_path: Path) -> Path:
    """A copy of the short search's study."""
    return Path(shutil.copy(study_file(found), tmp_path / "copy.db"))


def study_file(found: SearchResult) -> Path:
    assert found.model is not None
    return found.model.path.with_name(found.model.path.name + ".study.db")


def states(path: Path) -> Counter[str]:
    """How many trials of a study are in which state."""
    with sqlite3.connect(path) as database:
        return Counter(state for (state,) in database.execute("SELECT state FROM trials"))


def tried(path: Path) -> list[str]:
    """The recipe of each finished trial."""
    query = (
        "SELECT value_json FROM trial_user_attributes JOIN trials USING (trial_id) "
        "WHERE key = 'recipe' AND state IN ('COMPLETE', 'PRUNED')"
    )
    with sqlite3.connect(path) as database:
        return [json.loads(text) for (text,) in database.execute(query)]


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outcome(process: subprocess.Popen[str]) -> dict[str, Any]:
    try:
        stdout, stderr = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    assert process.returncode == 0, stderr
    document: dict[str, Any] = json.loads(stdout)
    return document


def test_the_smallest_that_keeps_its_word_is_written_with_its_recipe(found: SearchResult) -> None:
    assert len(found.candidates) == TRIALS
    assert found.candidates[0].recipe == "ptq"
    assert found.chosen is not None
    assert found.chosen.bytes == keeping_their_word(found.candidates, found.budget)[0].bytes
    assert found.chosen in found.front
    written = model_dir.load(found.require_model().path)
    assert ",".join(written.recipe) == found.chosen.recipe
    assert len(written.load_original()) == found.float_bytes
    assert found.chosen.bytes < found.float_bytes / 2
    assert 0.1 < found.chosen.latency_us < 10_000


def test_the_front_is_written_beside_the_directory_and_again(found: SearchResult, tmp_path: Path) -> None:
    for _ in range(2):
        table, picture = write_front(found, tmp_path / "small")
    assert table.name == "small.front.json"
    assert json.loads(table.read_text())["chosen"] == found.chosen.recipe  # type: ignore[union-attr]
    assert picture.read_bytes().startswith(b"<?xml")


def test_another_budget_takes_another_candidate_without_training(
    found: SearchResult, study: Path, source: Path, tmp_path: Path
) -> None:
    before = states(study)
    said: list[str] = []
    again = search(
        source,
        tmp_path / "all",
        BOARD,
        max_bytes=10**6,
        min_auc_retention=0.5,
        trials=TRIALS,
        study=str(study),
        on_progress=lambda progress: said.append(progress.doing),
    )
    assert states(study) == before == {"COMPLETE": TRIALS, "WAITING": before["WAITING"]}
    assert again.chosen is not None and found.chosen is not None
    assert replace(again.chosen, latency_us=0, float_latency_us=0, seconds=0) == replace(
        found.chosen, latency_us=0, float_latency_us=0, seconds=0
    )
    assert said == ["starting TensorFlow", f"writing {found.chosen.recipe}"]


def test_a_budget_that_nothing_meets_writes_nothing_and_says_what_to_relax(
    study: Path, source: Path, tmp_path: Path
) -> None:
    nothing = search(
        source, tmp_path / "none", BOARD, max_bytes=10, min_auc_retention=0.5, trials=TRIALS, study=str(study)
    )
    assert (nothing.chosen, nothing.model, nothing.interrupted) == (None, None, False)
    assert not (tmp_path / "none").exists()
    with pytest.raises(ExportRefusedError, match=r"10 bytes or fewer.*Nearest is .* bytes too many.*--max-bytes \d+"):
        nothing.require_model()


def test_more_trials_go_on_where_the_study_ended(study: Path, source: Path, tmp_path: Path) -> None:
    before = tried(study)
    search(source, tmp_path / "more", BOARD, min_auc_retention=0.5, trials=TRIALS + 1, study=str(study))
    assert tried(study)[:TRIALS] == before
    assert len(set(tried(study))) == TRIALS + 1


def test_the_study_of_another_model_or_board_is_refused(found: SearchResult, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "small"
    beside = tmp_path / "small.study.db"
    shutil.copy(study_file(found), beside)
    other = Path(shutil.copytree(source, tmp_path / "other"))
    text = (other / "detector.json").read_text()
    (other / "detector.json").write_text(text.replace('"seed": 5', '"seed": 6'))
    with pytest.raises(ConfigError, match=r"study .* is of another model directory.*remove it, or give another -o or"):
        search(other, output, BOARD, trials=1)
    with pytest.raises(ConfigError, match=r'holds the study of ".* x86-64", and this is ".* rpi4": remove it'):
        search(source, output, "rpi4", trials=1)
    assert len(tried(beside)) == TRIALS


def test_a_quantized_directory_is_refused_before_anything_is_made(found: SearchResult, tmp_path: Path) -> None:
    # Which of ptq and qat the smallest was quantized with is the search's affair.
    with pytest.raises(
        ConfigError, match=r"--recipe auto on .*: ptq .*(was done before|quantized the network already)"
    ):
        search(found.require_model().path, tmp_path / "again", BOARD)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_used_leaves_no_study_behind(source: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(source, tmp_path / "broken"))
    (broken / "core.h5").write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"core\.h5"):
        search(broken, tmp_path / "small", BOARD)
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


@pytest.mark.parametrize(
    ("storage", "says"),
    [
        ("nonsense://place", "nonsense"),
        ("postgresql+pg8000://user:secret@127.0.0.1:1/studies", "driver is not installed"),
        ("sqlite:///{folder}/missing/study.db", "unable to open database file"),
        ("{folder}/text.db", "file is not a database"),
        ("://", "expected the path of an SQLite file or the URL of a database"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_with_a_remedy(
    storage: str, says: str, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.db").write_text("no database, but long enough to be looked at as one" * 20)
    with pytest.raises(ConfigError, match=says) as refused:
        search(source, tmp_path / "small", BOARD, study=storage.format(folder=tmp_path))
    assert "--study" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert not (tmp_path / "small").exists()


def test_a_recipe_that_comes_to_nothing_is_kept_with_its_reason(source: Path, tmp_path: Path) -> None:
    from vedette.compress.search.space import QUANTIZER, Space

    def measure(recipe: object) -> Any:
        raise ModelError("a layer is off")

    space = Space(hidden=4, ranges={}, quantizers=("ptq",))
    study = Study.open(str(tmp_path / "study.db"), "pump", {"board": "rpi4"}, space, seed=1, own=True)
    study.plan()
    assert study.try_next(measure)
    assert study.tally().failed == {"ptq": "a layer is off"}
    assert list(space.all()) == [{QUANTIZER: "ptq"}]
    assert not study.try_next(measure), "nothing is left to try"


def test_ctrl_c_keeps_what_was_found_and_the_same_call_goes_on(source: Path, tmp_path: Path) -> None:
    output, database = tmp_path / "small", tmp_path / "study.db"
    process = start(source, output, "50", database)
    deadline = time.monotonic() + PATIENCE_S
    while _count(database) < 2:
        assert process.poll() is None and time.monotonic() < deadline, "waited for two candidates"
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    first = outcome(process)
    assert first["interrupted"]
    assert len(first["candidates"]) >= 2
    assert "the same command goes on" in first["words"][0]
    assert not output.exists()
    before = tried(database)
    assert "RUNNING" not in states(database)
    again = outcome(start(source, output, str(len(before) + 1), database))
    assert not again["interrupted"]
    assert tried(database)[: len(before)] == before
    assert len(set(tried(database))) == len(before) + 1


def test_two_machines_share_a_study_and_try_nothing_twice(source: Path, tmp_path: Path) -> None:
    database = tmp_path / "study.db"
    machines = [start(source, tmp_path / name, "3", database) for name in ("one", "two")]
    results = [outcome(machine) for machine in machines]
    recipes = tried(database)
    assert len(recipes) == len(set(recipes)) >= 3
    assert len({tuple(sorted(row["recipe"] for row in result["candidates"])) for result in results}) == 1
    assert {result["best"] for result in results} == {results[0]["best"]}


def _count(database: Path) -> int:
    if not database.exists():
        return 0
    try:
        return states(database)["COMPLETE"]
    except sqlite3.OperationalError:  # its tables are not made yet
        return 0
