"""Recorded noises, parted into training and test by the source they were cut from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from sersupport.core.errors import UserError
from sersupport.core.files import walk
from sersupport.sound import audio
from sersupport.sound.mixing import align

ENVIRONMENTS = ("railway_engine", "children_playing", "fish_market")

# what collections call the three environments
_ALIASES = {"children": "children_playing", "railway": "railway_engine", "fish": "fish_market"}
_URBANSOUND8K_STEM = re.compile(r"(\d+)-\d+-\d+-\d+")  # <source id>-<class>-<occurrence>-<slice>


@lru_cache(maxsize=128)
def _decoded(path: str, sha256: str, rate_hz: int) -> np.ndarray:
    y = audio.load_known(path, sha256, rate_hz)
    y.flags.writeable = False  # shared by all who ask for it
    return y


def noise_files(folder: Path | str, noises: Sequence[str] = ENVIRONMENTS) -> list[Path]:
    """Exactly the files of some types, sorted, that :meth:`NoiseBank.from_folder` reads; links are followed.

    A UserError if a folder cannot be read.
    """
    folder = Path(folder)
    return [
        path
        for path in walk(folder)
        if len(path.relative_to(folder).parts) == 3 and _noise(path) in noises and path.is_file()
    ]


def _noise(path: Path) -> str:
    """The type that a file is of, by its folder; "" where it is no recording."""
    if path.suffix.lower() not in (".wav", ".flac"):
        return ""
    name = path.parts[-2].lower().replace(" ", "_").replace("-", "_")
    return _ALIASES.get(name, name)


def _check(sources: pd.DataFrame, noises: Sequence[str], unheard: Sequence[str] = ()) -> None:
    """Raise a UserError where training and test share what they must not, or lack a type."""
    for key in ("source", "sha256"):
        if key in sources and (in_both := sources.groupby(key)["part"].transform("nunique") > 1).any():
            files = ", ".join(sorted(sources.loc[in_both, "recording"]))
            raise UserError(f"one noise {key} stands in training and in test: {files}; keep one part")
    for part, needed in (("train", noises), ("test", [*noises, *unheard])):
        held = set(sources.loc[sources["part"] == part, "noise"])
        if missing := [noise for noise in needed if noise not in held]:
            raise UserError(f"the {part} noises lack {', '.join(missing)}; add a folder of that name")


class NoiseBank:
    """Recorded noises, parted into training and test by the *source* they were cut from.

    A UserError if a source, or one sound under two names, stands in both parts, or either lacks a type.

    Parameters
    ----------
    sources : pandas.DataFrame
        One row a file: ``recording`` (unique: its path below the bank's folder), ``source``, ``noise``,
        ``collection``, ``part`` ("train" | "test"), ``path``, ``duration_s``, ``sha256`` of its samples.
    noises, unheard : sequence of str
        Types that both parts must hold, and those that only the test must.

    Attributes
    ----------
    sha256 : dict of str to str
        Of the samples, by recording.
    """

    def __init__(
        self, sources: pd.DataFrame, noises: Sequence[str] = ENVIRONMENTS, unheard: Sequence[str] = ()
    ) -> None:
        _check(sources, noises, unheard)
        self.sources = sources.sort_values(["source", "recording"], ignore_index=True)
        self._paths, self.sha256 = (
            dict(zip(self.sources["recording"], self.sources[column], strict=True)) for column in ("path", "sha256")
        )

    @staticmethod
    def listed(
        folder: Path | str,
        test_collections: Iterable[str],
        noises: Sequence[str] = ENVIRONMENTS,
        unheard: Sequence[str] = (),
    ) -> pd.DataFrame:
        """What :meth:`from_folder` would read: its ``sources`` without durations and hashes, and without decoding.

        Takes the same arguments; raises the same errors, but for those that only the audio can tell.
        """
        folder, test = Path(folder), set(test_collections)
        rows = []
        for path in noise_files(folder, [*noises, *unheard]):
            collection, cut = path.parts[-3], _URBANSOUND8K_STEM.fullmatch(path.stem)
            source = cut[1] if cut else f"{collection}/{_noise(path)}/{path.stem}"
            part = "test" if collection in test or _noise(path) in unheard else "train"
            recording = path.relative_to(folder).as_posix()
            rows.append((recording, source, _noise(path), collection, part, str(path)))
        absent = sorted(test - {row[3] for row in rows})
        if absent or not rows:
            wanted = f"<collection>/{'|'.join([*noises, *unheard])}/*.wav|*.flac"
            raise UserError(f"{folder}: no noise found in {', '.join(absent) or 'it'}; expected {wanted}")
        sources = pd.DataFrame(rows, columns=["recording", "source", "noise", "collection", "part", "path"])
        _check(sources, noises, unheard)
        return sources

    @classmethod
    def from_folder(
        cls,
        folder: Path | str,
        test_collections: Iterable[str],
        noises: Sequence[str] = ENVIRONMENTS,
        unheard: Sequence[str] = (),
    ) -> NoiseBank:
        """Bank of the files ``folder/<collection>/<type>/*.wav`` and ``*.flac``.

        The source of an UrbanSound8K file, ``<source>-<class>-<occurrence>-<slice>``, is its first number, in
        whatever collection it lies; that of any other is ``<collection>/<type>/<stem>``.

        Parameters
        ----------
        folder : Path
            Folder of collections.
        test_collections : iterable of str
            Collections kept for testing; all others are for training.
        noises : sequence of str
            Types to read (a folder ``children`` holds ``children_playing``); other folders are left alone.
        unheard : sequence of str
            Types that are for testing, whatever collection they lie in.
        """
        sources = cls.listed(folder, test_collections, noises, unheard)
        probes = [audio.probe(path) for path in sources["path"]]
        found = sources.assign(duration_s=[p.duration_s for p in probes], sha256=[p.sha256 for p in probes])
        return cls(found, noises, unheard)

    def joined(self, other: NoiseBank) -> NoiseBank:
        """Both in one."""
        return NoiseBank(pd.concat([self.sources, other.sources], ignore_index=True), ())

    def choices(self, part: str) -> dict[str, list[list[tuple[str, str, float]]]]:
        """By noise type, the sources of a part, each a list of (source, recording, duration_s)."""
        fields = ["source", "recording", "duration_s"]
        choices: dict[str, list] = {}
        rows = self.sources[self.sources["part"] == part]
        for (noise, _), files in rows.groupby(["noise", "source"]):
            choices.setdefault(noise, []).append(list(files[fields].itertuples(index=False, name=None)))
        return choices

    def segment(self, recording: str, offset_s: float, n: int, rate_hz: int) -> np.ndarray:
        """``n`` samples of a recording from ``offset_s`` on, at ``rate_hz``, zero-padded where it ends."""
        if recording not in self._paths:
            raise UserError(f"the noise bank has no recording {recording!r}; draw the recipes from this bank")
        return align(_decoded(self._paths[recording], self.sha256[recording], rate_hz)[int(offset_s * rate_hz) :], n)

    def fingerprint(self) -> str:
        """Digest of what the bank holds, wherever its folder lies."""
        held = self.sources.drop(columns="path").to_csv()
        return hashlib.blake2b(held.encode(), digest_size=16).hexdigest()
