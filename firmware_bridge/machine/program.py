"""A generated pair NAME.c and NAME.h, and what the harness that runs it must be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class NetworkProgram:
    """A pair with ``NAME_run``; the sources include ``NAME.h`` from ``include_dir``.

    ``input_type`` and ``output_type`` are the C types of the elements, ``measured`` the number of windows, from the
    first, of which stack and instructions are measured.
    """

    name: str
    sources: tuple[Path, ...]
    include_dir: Path
    input_type: str = "int8_t"
    output_type: str = "int8_t"
    measured: int = 4

    @property
    def harness(self) -> str:
        """The harness in ``support`` that runs it."""
        return "network.c"

    @property
    def context(self) -> str:
        """The C type of the memory that the caller owns."""
        return f"{self.name}_arena_t"

    @property
    def entries(self) -> tuple[str, ...]:
        """The functions that a firmware calls."""
        return (f"{self.name}_run",)

    def header(self) -> str:
        """The text of ``program.h``: the harness's names for those of the pair."""
        macro = self.name.upper()
        return (
            f'#include "{self.name}.h"\n'
            f"typedef {self.input_type} program_input_t;\n"
            f"typedef {self.output_type} program_output_t;\n"
            f"typedef {self.context} program_arena_t;\n"
            f"#define PROGRAM_INPUT_SIZE {macro}_INPUT_SIZE\n"
            f"#define PROGRAM_OUTPUT_SIZE {macro}_OUTPUT_SIZE\n"
            f"#define PROGRAM_MEASURED {self.measured}u\n"
            f"#define program_run {self.name}_run\n"
        )


@dataclass(frozen=True)
class DetectorProgram:
    """A pair with a whole detector; the sources include ``NAME.h`` from ``include_dir``.

    ``fields`` are the fields of ``NAME_t``, numbers or arrays of them such as ``alert.open``, that are written after
    each sample. ``NAME_severity`` and ``NAME_shares`` follow; ``results`` in ``proof`` has the whole record.
    """

    name: str
    sources: tuple[Path, ...]
    include_dir: Path
    fields: tuple[str, ...] = ("score",)

    @property
    def harness(self) -> str:
        """The harness in ``support`` that runs it."""
        return "detector.c"

    @property
    def context(self) -> str:
        """The C type of the memory that the caller owns."""
        return f"{self.name}_t"

    @property
    def entries(self) -> tuple[str, ...]:
        """The functions that a firmware calls."""
        return tuple(f"{self.name}_{function}" for function in ("init", "push", "severity", "shares"))

    def header(self) -> str:
        """The text of ``program.h``: the harness's names for those of the pair."""
        fields = " ".join(f"take({field})" for field in self.fields)
        macros = ("CHANNELS", "TOP_CHANNELS", "SCORED")
        functions = ("init", "push", "severity", "shares", "selftest")
        return (
            f'#include "{self.name}.h"\n'
            f"typedef {self.context} program_detector_t;\n"
            f"typedef {self.name}_share_t program_share_t;\n"
            f"#define PROGRAM_FIELDS(take) {fields}\n"
            + "".join(f"#define PROGRAM_{macro} {self.name.upper()}_{macro}\n" for macro in macros)
            + "".join(f"#define program_{function} {self.name}_{function}\n" for function in functions)
        )


Program = NetworkProgram | DetectorProgram
