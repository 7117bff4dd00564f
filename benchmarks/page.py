"""The demo's page: one HTML file that needs no other file and no network."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from vedette.benchmarks.demo_results import DemoResult
from vedette.benchmarks.demo_view import detector_rows, found_after, headline, minutes, plain_facts, precision_rows

_TEMPLATES = Path(__file__).parent / "templates"


def render(result: DemoResult, *, wide: bytes, narrow: bytes) -> str:
    """The page with the picture as PNG in two widths: for screens and paper, and for phones."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["minutes"] = minutes
    environment.filters["found_after"] = found_after
    environment.filters["clock"] = lambda time: time[11:16]
    environment.filters["percent"] = lambda part: f"{part:.0%}"
    environment.filters["data_url"] = lambda png: "data:image/png;base64," + base64.b64encode(png).decode()
    return environment.get_template("demo.html").render(
        result=result,
        headline=headline(result),
        detectors=detector_rows(result),
        precisions=precision_rows(result),
        facts=plain_facts(result),
        described=_describe(result),
        wide=wide,
        narrow=narrow,
    )


def _describe(result: DemoResult) -> str:
    """The picture in words, for those who do not see it."""
    told = [
        f"{fault.name} at {fault.start[11:16]}, "
        + (found_after(fault) if not fault.delay_s else f"found after {minutes(fault.delay_s)}")
        for fault in result.faults
    ]
    return "Score against threshold over time, and each channel below. Faults: " + "; ".join(told) + "."
