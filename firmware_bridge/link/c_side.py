"""Where the C half of the link is: two files to put into a firmware."""

from __future__ import annotations

from pathlib import Path

HEADER = Path(__file__).with_name("vedette_link.h")
SOURCE = Path(__file__).with_name("vedette_link.c")
