"""The commands that ``compress`` brings to the command line."""

from __future__ import annotations

import click

COMMANDS: list[click.Command] = []
