"""A folder of recorded noises, and its bank."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile as sf

from sersupport.core.seeds import generator
from sersupport.recipes.bank import NoiseBank

RATE_HZ = 22_050


@pytest.fixture(scope="session")
def write() -> Callable[..., None]:
    def write(folder: Path, name: str, seconds: float = 3.0, seed: int | None = None) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = generator(0, name if seed is None else seed)
        sf.write(path, 0.1 * rng.standard_normal(round(seconds * RATE_HZ)), RATE_HZ)

    return write


@pytest.fixture(scope="session")
def folder(tmp_path_factory, write) -> Path:
    folder = tmp_path_factory.mktemp("noise")
    write(folder, "street/fish_market/a.wav")
    write(folder, "street/fish_market/b.flac")
    write(folder, "street/Railway Engine/a.wav")
    write(folder, "held/fish/a.wav")
    write(folder, "us8k/children/14470-2-0-10.wav", seconds=4)
    write(folder, "us8k/children/14470-2-0-14.wav", seconds=1)
    write(folder, "us8k/children/27070-2-0-2.wav", seconds=4)
    write(folder, "held/railway_engine/x.wav", seconds=4)
    write(folder, "held/children/3_Children_445.wav", seconds=4)
    write(folder, "held/rain/a.wav")  # no type of ours
    (folder / "held/fish/README.txt").write_text("not a recording")
    return folder


@pytest.fixture(scope="session")
def bank(folder) -> NoiseBank:
    return NoiseBank.from_folder(folder, test_collections=("held",))
