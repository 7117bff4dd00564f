"""The page of domains: its commands are commands, its project files are valid, and one domain is walked through."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from command import vedette

from vedette.cli import cli
from vedette.train.config import load_config
from vedette.train.simulators import SIMULATORS

PAGE = (Path(__file__).parents[2] / "docs" / "domains.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line[len("$ vedette ") :]) for line in PAGE.splitlines() if line.startswith("$ vedette ")]
PROJECTS = dict(re.findall(r"```toml\n# (\S+)\n(.*?)```", PAGE, flags=re.DOTALL))


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_each_command_line_is_understood(arguments: list[str]) -> None:
    command = cli.commands[arguments[0]]
    context = command.make_context(arguments[0], arguments[1:])
    assert not context.args
    config = context.params.get("config")
    assert config is None or str(config) in PROJECTS


@pytest.mark.parametrize("arguments", [["simulate", "pump", "--hours", "1"], ["train"]])
def test_a_line_that_is_no_command_would_be_noticed(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError):
        cli.commands[arguments[0]].make_context(arguments[0], arguments[1:])


@pytest.mark.parametrize("kind", SIMULATORS)
def test_each_kind_goes_from_data_to_a_measured_bundle(kind: str) -> None:
    words = ["simulate", "train", "export", "evaluate"]
    steps = [arguments for arguments in COMMANDS if any(re.split(r"[/.-]", word)[0] == kind for word in arguments)]
    assert [arguments[0] for arguments in steps][:4] == words
    model = steps[1][steps[1].index("-o") + 1]
    bundle = steps[2][steps[2].index("-o") + 1]
    assert steps[2][1] == model
    assert steps[3][1] == bundle
    assert steps[3][2] == f"{kind}/test.csv"


@pytest.mark.parametrize("name", PROJECTS)
def test_each_project_file_is_valid_and_knows_the_units(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(PROJECTS[name])
    config = load_config(tmp_path / name)
    units = next(simulator.units for kind, simulator in SIMULATORS.items() if name.startswith(kind))
    assert set(config.signal.channels or ()) <= set(units)
    if config.signal.units:
        assert config.signal.units == {channel: unit for channel, unit in units.items() if unit}


@pytest.mark.slow
def test_the_commands_for_the_cash_machine_work_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("atm.toml").write_text(PROJECTS["atm.toml"])
    for arguments in COMMANDS:
        if "atm" in arguments or any(word.startswith(("atm-", "atm.", "atm/")) for word in arguments):
            outcome = vedette(*arguments)
            assert outcome.code == 0, outcome.stderr
    assert "cash-machine" in outcome.stdout
