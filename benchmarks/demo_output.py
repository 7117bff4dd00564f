"""The demo's output directory: what is in it, and that nothing but an earlier demo's output is overwritten."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import OutputError

MARK = ".vedette-demo"


@dataclass(frozen=True)
class DemoFiles:
    """The files of a demo in the directory ``root``."""

    root: Path

    @property
    def data(self) -> Path:
        """train.csv and test.csv."""
        return self.root / "data"

    @property
    def model(self) -> Path:
        """The model directory."""
        return self.root / "pump"

    @property
    def bundle(self) -> Path:
        """What the gateway runs."""
        return self.root / "pump.vdt"

    @property
    def gateway(self) -> Path:
        """Configuration, outbox and logs."""
        return self.root / "gateway"

    @property
    def alerts(self) -> Path:
        """The alerts as the consumer received them, one JSON event a line."""
        return self.root / "alerts.jsonl"

    @property
    def scores(self) -> Path:
        """What ``vedette score`` writes."""
        return self.root / "scores.csv"

    @property
    def picture(self) -> Path:
        """Score against threshold, and the channels."""
        return self.root / "demo.png"

    @property
    def page(self) -> Path:
        """The page that tells it all."""
        return self.root / "index.html"

    @property
    def figures(self) -> Path:
        """All figures, for programs."""
        return self.root / "demo.json"

    def claim(self) -> None:
        """Make the directory, without what an earlier demo left in it; files of others in it stay.

        Raises :class:`OutputError` where it exists and no demo made it, or cannot be written.
        """
        mark = self.root / MARK
        try:
            if self.root.exists() and not mark.is_file() and (not self.root.is_dir() or any(self.root.iterdir())):
                raise OutputError(
                    f"{self.root} exists and was not made by vedette demo, so nothing in it is overwritten; choose "
                    "another directory with -o"
                )
            self.root.mkdir(parents=True, exist_ok=True)
            mark.write_text("vedette demo made this directory and overwrites its files when it runs again.\n")
            for folder in (self.data, self.model, self.gateway):
                shutil.rmtree(folder, ignore_errors=True)
            for file in (self.bundle, self.alerts, self.scores, self.picture, self.page, self.figures):
                file.unlink(missing_ok=True)
            self.data.mkdir()
            self.gateway.mkdir()
        except OSError as error:
            raise OutputError(
                f"{self.root} cannot be written ({error.strerror}); choose another directory with -o"
            ) from error
