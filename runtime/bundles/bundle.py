"""Bundles: what one board runs, in one file (``NAME-VERSION-BOARD.vdt``).

A bundle is a zip of stored members with fixed dates and order, so equal content gives equal bytes. The reader never
extracts to disk, accepts exactly the known members, caps every size, and checks every member's SHA-256 against the
manifest before anything is parsed further.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vedette.errors import BundleError, OutputError
from vedette.runtime.bundles.manifest import MAX_BYTES as MANIFEST_MAX_BYTES
from vedette.runtime.bundles.manifest import Manifest
from vedette.runtime.inference.interpreter import FIRMWARE, REFERENCES, Model

MANIFEST, MODEL, GOLDEN, COMPILED = "manifest.json", "model.tflite", "golden.npz", "model_edgetpu.tflite"
MAX_MEMBER_BYTES = {
    MANIFEST: MANIFEST_MAX_BYTES,
    MODEL: 64 * 1024 * 1024,
    GOLDEN: 64 * 1024 * 1024,
    COMPILED: 64 * 1024 * 1024,
}
# Every bundle has these, in this order; the compiled model comes last where there is one.
REQUIRED_MEMBERS = [MANIFEST, MODEL, GOLDEN]
# What the golden windows may unpack to.
MAX_UNPACKED_BYTES = 256 * 1024 * 1024
# Everything that zipfile and NumPy raise on archives that are damaged or hostile.
UNREADABLE_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    OverflowError,
    MemoryError,
    struct.error,
)
MAX_BUNDLE_BYTES = sum(MAX_MEMBER_BYTES.values()) + 4096


@dataclass(frozen=True)
class Golden:
    """Inputs with the outputs they must give.

    ``windows`` is ``(n, window, channels)`` float64 in sensor units; ``outputs`` ``(n, channels)`` are the model's raw
    output for each (int8, or float32 for a float model), ``scores`` ``(n,)`` the unsmoothed scores.
    """

    windows: npt.NDArray[np.float64]
    outputs: npt.NDArray[np.generic]
    scores: npt.NDArray[np.float32]

    def to_npz(self) -> bytes:
        """The arrays as deterministic .npz bytes."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, windows=self.windows, outputs=self.outputs, scores=self.scores)
        return buffer.getvalue()

    @classmethod
    def from_npz(cls, data: bytes, manifest: Manifest) -> Golden:
        """Read golden windows; raises :class:`BundleError` where they do not fit the manifest."""
        try:
            _check_unpacked_size(data)
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                golden = cls(arrays["windows"], arrays["outputs"], arrays["scores"])
        except UNREADABLE_ARCHIVE as error:
            raise BundleError(f"{GOLDEN}: cannot be read: {error}") from error
        count, channels = (*golden.scores.shape, 0)[0], len(manifest.signal.channels)
        shapes = (golden.windows.shape, golden.outputs.shape, golden.scores.shape)
        wanted = ((count, manifest.signal.window, channels), (count, channels), (count,))
        if count == 0 or shapes != wanted:
            raise BundleError(f"{GOLDEN}: expected arrays of shapes {wanted}, found {shapes}")
        types = tuple(array.dtype.name for array in (golden.windows, golden.outputs, golden.scores))
        wanted_types = ("float64", "int8" if manifest.quantization["output"] else "float32", "float32")
        if types != wanted_types or not (np.isfinite(golden.windows).all() and np.isfinite(golden.scores).all()):
            raise BundleError(f"{GOLDEN}: expected finite arrays of {wanted_types}, found {types}")
        return golden


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory, verified against its own checksums. ``sha256`` is that of the whole file; ``compiled`` is the
    model as compiled for the Edge TPU, None where it was not."""

    manifest: Manifest
    model_bytes: bytes
    golden: Golden
    sha256: str
    compiled: bytes | None = None

    def load_model(self, *, package: str | None = None) -> Model:
        """Load the model into the interpreter: ``package``, or the first one installed.

        The bundle of a board that runs compiled firmware is loaded into the NumPy kernels of the board's rounding
        family, so that it gives the board's own bits anywhere. Raises :class:`BundleError` where the model is not the
        one that the manifest describes.
        """
        manifest = self.manifest
        if package is None and manifest.runtime.package == FIRMWARE:
            package = f"reference-{manifest.runtime.family}"
            if package not in REFERENCES:
                raise BundleError(f"{MANIFEST}: runtime: family: expected D, H or S, found {manifest.runtime.family!r}")
        model = Model(self.model_bytes, package=package, threads=manifest.runtime.threads)
        channels = len(manifest.signal.channels)
        wanted = {"input": manifest.signal.window * channels, "output": channels}
        for name, tensor in (("input", model.input), ("output", model.output)):
            described = (1, wanted[name]), manifest.quantization[name]
            if (tensor.shape, tensor.quantization) != described:
                raise BundleError(
                    f"{MODEL}: {name}: the manifest describes {described}, found {(tensor.shape, tensor.quantization)}"
                )
        return model


def pack(manifest: Manifest, model: bytes, golden: Golden, *, compiled: bytes | None = None) -> bytes:
    """Return a bundle's bytes; the same content gives the same bytes. Fills in the manifest's checksums."""
    members = {MODEL: model, GOLDEN: golden.to_npz(), **({COMPILED: compiled} if compiled else {})}
    checksums = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    return _archive({MANIFEST: replace(manifest, members=checksums).to_json(), **members})


def _archive(members: dict[str, bytes]) -> bytes:
    """The one form in which members are stored."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def unpack(data: bytes, *, what: str = "bundle") -> Bundle:
    """Read and verify a bundle's bytes. ``what`` names it in errors. Raises :class:`BundleError`."""
    if len(data) > MAX_BUNDLE_BYTES:
        raise BundleError(f"{what}: {len(data):,} bytes; a bundle has at most {MAX_BUNDLE_BYTES:,}")
    try:
        members = _members(data)
        manifest = Manifest.from_json(members[MANIFEST])
        _check_sums(manifest, members)
        golden = Golden.from_npz(members[GOLDEN], manifest)
    except BundleError as error:
        raise BundleError(f"{what}: {error}") from error
    return Bundle(manifest, members[MODEL], golden, hashlib.sha256(data).hexdigest(), members.get(COMPILED))


def read(path: Path) -> Bundle:
    """Read and verify a bundle file. Raises :class:`BundleError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    return unpack(data, what=str(path))


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, and durably; its folder is made. Raises :class:`OutputError`."""
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def _members(data: bytes) -> dict[str, bytes]:
    """The exact member set of a bundle, read in memory within the size caps."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if names not in (REQUIRED_MEMBERS, [*REQUIRED_MEMBERS, COMPILED]):
                raise BundleError(f"expected the members {REQUIRED_MEMBERS} and perhaps {COMPILED}, found {names[:8]}")
            for entry in entries:
                if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > MAX_MEMBER_BYTES[entry.filename]:
                    raise BundleError(f"{entry.filename}: expected a stored member of allowed size")
            members = {entry.filename: archive.read(entry) for entry in entries}
    except UNREADABLE_ARCHIVE as error:
        raise BundleError(f"not a bundle, or damaged: {error}") from error
    # Equal content has one form only, so a changed byte that the zip format does not protect shows here.
    if _archive(members) != data:
        raise BundleError("damaged, or not written by vedette: its bytes are not a bundle's")
    return members


def _check_unpacked_size(data: bytes) -> None:
    """Refuse an archive that unpacks to more than it may; zipfile reads no more than the declared size."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if (size := sum(entry.file_size for entry in archive.infolist())) > MAX_UNPACKED_BYTES:
            raise ValueError(f"it unpacks to {size:,} bytes; at most {MAX_UNPACKED_BYTES:,} are allowed")


def _check_sums(manifest: Manifest, members: dict[str, bytes]) -> None:
    found = {name: hashlib.sha256(data).hexdigest() for name, data in members.items() if name != MANIFEST}
    for name, digest in found.items():
        if manifest.members.get(name) != digest:
            raise BundleError(f"{name}: its SHA-256 is not the manifest's; the file is damaged, copy it again")
    if set(manifest.members) != set(found):
        raise BundleError(f"manifest.json: members: expected {sorted(found)}, found {sorted(manifest.members)}")
