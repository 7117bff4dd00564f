"""Bundles: the same bytes for the same content, and nothing but a whole, untouched one is read."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import CHANNELS, SIGNAL, WINDOW, tiny_bundle_bytes, tiny_model

from vedette.errors import BundleError, OutputError
from vedette.runtime.alerting.alerts import AlertPolicy
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.bundles.bundle import GOLDEN, MANIFEST, MODEL, Golden
from vedette.runtime.bundles.manifest import Manifest, RuntimeSpec
from vedette.runtime.detection.prototypes import Prototypes
from vedette.runtime.detection.score_spec import PrototypeSpec, ScoreSpec, TermSpec
from vedette.runtime.detection.signal import Channel, SignalSpec
from vedette.runtime.inference.interpreter import Quantization

BYTES = tiny_bundle_bytes()
BUNDLE = bundles.unpack(BYTES)
MEMBERS = {name: zipfile.ZipFile(io.BytesIO(BYTES)).read(name) for name in (MANIFEST, MODEL, GOLDEN)}


def archive(members: list[tuple[str, bytes]], *, compression: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    """A zip that is as a bundle's, but for what is asked."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile's own, about names that are there twice
        for name, data in members:
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr, entry.compress_type = 3, 0o644 << 16, compression
            file.writestr(entry, data)
        file.comment = comment
    return buffer.getvalue()


def patched(offset: int, fmt: str, value: int, *, central: bool, member: int = 1) -> bytes:
    """The bundle with a field of a member's local or central header overwritten."""
    data = bytearray(BYTES)
    signature, position = (b"PK\x01\x02" if central else b"PK\x03\x04"), -1
    for _ in range(member + 1):
        position = data.index(signature, position + 1)
    struct.pack_into(fmt, data, position + offset, value)
    return bytes(data)


def with_manifest(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(MEMBERS[MANIFEST])
    change(document)
    return archive([(MANIFEST, json.dumps(document, indent=1).encode()), *list(MEMBERS.items())[1:]])


def with_golden(data: bytes) -> bytes:
    """A bundle whose checksums are right, with another golden.npz."""

    class Written:
        def to_npz(self) -> bytes:
            return data

    return bundles.pack(BUNDLE.manifest, BUNDLE.model_bytes, Written())  # type: ignore[arg-type]


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def arrays_with(**changes: Any) -> bytes:
    golden = BUNDLE.golden
    return npz(**{"windows": golden.windows, "outputs": golden.outputs, "scores": golden.scores, **changes})


def refuse(data: bytes, match: str | None = None) -> None:
    with pytest.raises(BundleError, match=match):
        bundles.unpack(data).load_model()


def test_the_helper_makes_the_bundle_itself() -> None:
    assert archive(list(MEMBERS.items())) == BYTES


def test_the_same_content_gives_the_same_bytes() -> None:
    assert tiny_bundle_bytes() == BYTES
    assert bundles.pack(BUNDLE.manifest, BUNDLE.model_bytes, BUNDLE.golden) == BYTES


def test_what_was_packed_is_read_back() -> None:
    assert BUNDLE.model_bytes == tiny_model()
    assert set(BUNDLE.manifest.members) == {MODEL, GOLDEN}
    assert BUNDLE.manifest.signal == SIGNAL
    assert BUNDLE.golden.windows.shape == (5, WINDOW, len(CHANNELS))
    assert BUNDLE.load_model().input.shape == (1, WINDOW * len(CHANNELS))


def test_every_edit_of_one_byte_is_refused() -> None:
    """The zip's own headers are protected too, though the zip format would not notice."""
    for position in range(len(BYTES)):
        data = bytearray(BYTES)
        data[position] ^= 1 << (position % 8)
        refuse(bytes(data))


def test_every_truncation_is_refused() -> None:
    for length in (*range(0, len(BYTES), 7), *range(len(BYTES) - 30, len(BYTES))):
        refuse(BYTES[:length])


@given(st.binary(max_size=300))
def test_other_bytes_are_refused(data: bytes) -> None:
    refuse(data)
    refuse(BYTES[:50] + data)
    refuse(BYTES + data + b"x")


def bomb() -> bytes:
    """golden.npz of a few kB that would unpack to 4 GB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "<f8", "fortran_order": False, "shape": (100_000_000, WINDOW, len(CHANNELS))}
        )
        file.writestr("windows.npy", header.getvalue() + bytes(1_000_000))
    data = bytearray(buffer.getvalue())
    central = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, central + 24, 0xFFFFFFF0)
    return bytes(data)


manifest, model, golden = MEMBERS.items()
HOSTILE = {
    "an empty file": b"",
    "not a zip": b"\x89PNG\r\n\x1a\n" + bytes(500),
    "an empty zip": archive([]),
    "a member less": archive([manifest, model]),
    "a member more": archive([manifest, model, golden, ("extra", b"")]),
    "a member twice": archive([manifest, model, golden, golden]),
    "a second manifest in a member's place": archive([manifest, manifest, golden]),
    "another order": archive([model, manifest, golden]),
    "a name that climbs out": archive([manifest, model, ("../golden.npz", golden[1])]),
    "an absolute name": archive([manifest, model, ("/etc/cron.d/x", golden[1])]),
    "a folder": archive([manifest, model, ("golden.npz/", golden[1])]),
    "a backslash in a name": archive([manifest, model, ("..\\golden.npz", golden[1])]),
    "compressed members": archive(list(MEMBERS.items()), compression=zipfile.ZIP_DEFLATED),
    "members compressed with bzip2": archive(list(MEMBERS.items()), compression=zipfile.ZIP_BZIP2),
    "members compressed with lzma": archive(list(MEMBERS.items()), compression=zipfile.ZIP_LZMA),
    "a bomb": archive([manifest, (MODEL, bytes(20_000_000)), golden], compression=zipfile.ZIP_DEFLATED),
    "a comment": archive(list(MEMBERS.items()), comment=b"hello"),
    "bytes before": b"#!/bin/sh\n" + BYTES,
    "bytes after": BYTES + b"\0",
    "the bundle twice": BYTES + BYTES,
    "a huge declared size": patched(24, "<I", 0xFFFFFFF0, central=True),
    "a huge compressed size": patched(20, "<I", 0xFFFFFFF0, central=True),
    "a size of 65 MB": patched(24, "<I", 65 * 1024 * 1024, central=True),
    "a huge size in the local header": patched(18, "<I", 0xFFFFFFF0, central=False),
    "an encrypted flag": patched(8, "<H", 1, central=True),
    "an encrypted flag in the local header": patched(6, "<H", 1, central=False),
    "a patched-data flag": patched(8, "<H", 0x20, central=True),
    "strong encryption": patched(8, "<H", 0x41, central=True),
    "an unknown compression": patched(10, "<H", 99, central=True),
    "another offset": patched(42, "<I", 7, central=True),
    "an offset beyond the end": patched(42, "<I", 0x7FFFFFFF, central=True),
    "another checksum": patched(16, "<I", 1, central=True),
    "a newer zip": patched(6, "<H", 99, central=True),
    "another date": patched(14, "<H", 0x5000, central=True),
    "a symbolic link": patched(38, "<I", 0o120777 << 16, central=True),
    "another model": archive([manifest, (MODEL, model[1] + b"\0"), golden]),
    "another golden": archive([manifest, model, (GOLDEN, arrays_with(scores=np.ones(5, np.float32)))]),
    "a manifest that is no JSON": archive([(MANIFEST, b"name: tiny\n"), model, golden]),
    "a manifest of 5 MB": archive([(MANIFEST, b" " * 5_000_000 + manifest[1]), model, golden]),
    "a manifest nested deep": archive([(MANIFEST, b"[" * 100_000), model, golden]),
    "golden: no archive": with_golden(b"hello"),
    "golden: nothing": with_golden(b""),
    "golden: an array less": with_golden(npz(windows=BUNDLE.golden.windows, outputs=BUNDLE.golden.outputs)),
    "golden: truncated": with_golden(golden[1][:-40]),
    "golden: a bomb": with_golden(bomb()),
    "golden: pickled objects": with_golden(arrays_with(scores=np.array([{}] * 5, dtype=object))),
    "golden: text": with_golden(arrays_with(outputs=np.full((5, 3), "a"))),
    "golden: floats for int8": with_golden(arrays_with(outputs=BUNDLE.golden.outputs.astype(np.float32))),
    "golden: NaN": with_golden(arrays_with(windows=np.full_like(BUNDLE.golden.windows, np.nan))),
    "golden: no window": with_golden(
        npz(windows=np.zeros((0, 4, 3)), outputs=np.zeros((0, 3), np.int8), scores=np.zeros(0, np.float32))
    ),
    "golden: another width": with_golden(arrays_with(windows=np.zeros((5, WINDOW, 2)))),
    "golden: a scalar": with_golden(arrays_with(windows=np.float64(1.0))),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_a_bundle_error_and_nothing_else(data: bytes) -> None:
    refuse(data)


@pytest.mark.slow
def test_damage_inside_golden_is_always_a_bundle_error() -> None:
    """Behind a right checksum, as whoever signs bundles could make it."""
    rng = np.random.default_rng(3)
    for position in range(len(golden[1])):
        data = bytearray(golden[1])
        data[position] = rng.integers(256)
        try:
            bundles.unpack(with_golden(bytes(data)))
        except BundleError:
            continue


def test_a_model_that_the_manifest_does_not_describe_is_refused() -> None:
    wider = replace(SIGNAL, window=WINDOW + 1)
    windows = np.zeros((5, WINDOW + 1, len(CHANNELS)))
    data = bundles.pack(
        replace(BUNDLE.manifest, signal=wider), BUNDLE.model_bytes, replace(BUNDLE.golden, windows=windows)
    )
    refuse(data, r"model.tflite: input: the manifest describes \(\(1, 15\)")


def test_other_quantization_than_the_models_is_refused() -> None:
    quantization = {**BUNDLE.manifest.quantization, "output": Quantization(0.5, 3)}
    data = bundles.pack(replace(BUNDLE.manifest, quantization=quantization), BUNDLE.model_bytes, BUNDLE.golden)
    refuse(data, r"model.tflite: output: the manifest describes")


def test_another_format_is_refused_with_a_remedy() -> None:
    refuse(with_manifest(lambda document: document.update(format=1)), "reads format 2; upgrade it or export again")


def test_a_manifest_may_not_name_other_members() -> None:
    refuse(with_manifest(lambda document: document["members"].update(other="0" * 64)), r"expected \['golden.npz'")


def paths(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON document."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(found for key, value in inner for found in paths(value, (*path, key)))]


ODD_VALUES = [None, True, "x", "", -1, 0, 1.5, 1e300, 10**19, [], {}, [1], {"a": 1}, ["\udcff"]]


@pytest.mark.parametrize("path", paths(json.loads(MEMBERS[MANIFEST]))[1:], ids=lambda path: ".".join(map(str, path)))
def test_any_value_anywhere_in_a_manifest_is_read_or_a_bundle_error(path: tuple[Any, ...]) -> None:
    for odd in ODD_VALUES:
        document = json.loads(MEMBERS[MANIFEST])
        place = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = odd
        try:
            found = Manifest.from_json(json.dumps(document).encode())
        except BundleError as error:
            assert len(str(error)) < 300
        else:
            assert Manifest.from_json(found.to_json()) == found


@pytest.mark.parametrize("key", json.loads(MEMBERS[MANIFEST]).keys())
def test_a_manifest_without_one_of_its_keys_is_refused(key: str) -> None:
    refuse(with_manifest(lambda document: document.pop(key)), key)


FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=1e-30, max_value=1e30)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FINITE | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(TEXT, JSON_VALUES, max_size=3)
QUANTIZATION = st.none() | st.builds(Quantization, POSITIVE, st.integers(-128, 127))
CHANNEL = st.builds(Channel, TEXT, FINITE, POSITIVE, FINITE, FINITE, st.none() | TEXT)


def terms(channels: int) -> st.SearchStrategy[TermSpec]:
    scales = st.lists(POSITIVE, min_size=channels, max_size=channels).map(tuple)
    return st.builds(TermSpec, scales, st.floats(1e-6, 1.0), POSITIVE)


@st.composite
def prototypes(draw: st.DrawFn, signal: SignalSpec, quantization: Quantization | None) -> Prototypes:
    shape = (draw(st.integers(1, 3)), signal.window * len(signal.channels))
    windows = np.random.default_rng(draw(st.integers(0, 9))).normal(size=shape).astype(np.float32)
    found = Prototypes.from_windows(windows)
    return found.quantized(quantization) if quantization else found


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    channels = tuple(draw(st.lists(CHANNEL, min_size=1, max_size=4, unique_by=lambda channel: channel.name)))
    period = draw(st.none() | POSITIVE)
    signal = SignalSpec(
        channels=channels,
        window=draw(st.integers(1, 100)),
        stride=draw(st.integers(1, 1000)),
        sample_period_s=period,
        timestamp=draw(st.none() | TEXT),
        missing=draw(st.sampled_from(["hold", "drop", "fail"])),
        max_hold=draw(st.integers(0, 10**6)),
        input_clip=draw(POSITIVE),
        resampled=draw(st.booleans()) if period else False,
    )
    quantization = draw(QUANTIZATION)
    nearest = draw(st.none() | st.builds(PrototypeSpec, prototypes(signal, quantization), terms(len(channels))))
    return Manifest(
        name=draw(TEXT),
        version=draw(TEXT),
        sequence=draw(st.integers(0, 2**53)),
        signal=signal,
        score=ScoreSpec(draw(terms(len(channels))), nearest, draw(POSITIVE)),
        threshold=draw(POSITIVE),
        alert=AlertPolicy(draw(st.integers(1, 10**6)), draw(st.floats(0, 1e9)), draw(st.floats(0, 1e9))),
        runtime=RuntimeSpec(draw(TEXT), draw(TEXT), draw(TEXT), draw(st.integers(1, 64))),
        quantization={"input": quantization, "output": draw(QUANTIZATION)},
        members=draw(st.dictionaries(TEXT, TEXT, max_size=3)),
        board=draw(DOCUMENTS),
        calibration=draw(DOCUMENTS),
        accuracy=draw(DOCUMENTS),
        recipe=draw(st.lists(TEXT, max_size=3)),
        provenance=draw(DOCUMENTS),
    )


@given(manifests())
def test_a_manifest_survives_its_json(manifest: Manifest) -> None:
    data = manifest.to_json()
    assert Manifest.from_json(data) == manifest
    assert Manifest.from_json(data).to_json() == data


def test_a_bundle_is_written_whole_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "made" / "x.vdt"
    bundles.write(path, BYTES)
    assert bundles.read(path).sha256 == BUNDLE.sha256
    assert [entry.name for entry in path.parent.iterdir()] == ["x.vdt"]


def test_a_missing_bundle_is_a_bundle_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"none\.vdt: cannot be read: No such file"):
        bundles.read(tmp_path / "none.vdt")


def test_a_folder_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read: Is a directory"):
        bundles.read(tmp_path)


@pytest.mark.parametrize("place", ["file/x.vdt", "x" * 300, "folder"])
def test_what_cannot_be_written_is_an_output_error_and_leaves_nothing(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises(OutputError, match="cannot be written"):
        bundles.write(tmp_path / place, BYTES)
    assert {entry.name for entry in tmp_path.iterdir()} == {"file", "folder"}


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from vedette.errors import OutputError\n"
        "from vedette.runtime.bundles import bundle\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    bundle.write(Path(sys.argv[1]), bytes(100_000))\n"
        "except OutputError as error:\n    print(error)\n"
    )
    path = tmp_path / "x.vdt"
    result = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert "cannot be written: File too large" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_golden_bytes_are_deterministic() -> None:
    golden = BUNDLE.golden
    assert Golden(golden.windows, golden.outputs, golden.scores).to_npz() == MEMBERS[GOLDEN]
