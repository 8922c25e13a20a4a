"""Every parameter of the series: its name, unit, type, range and default (the demo profile)."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from sersupport.core.errors import UserError
from sersupport.inputs.encoders.find import find_encoder

LONGEST_S = 30.0  # of a clip
EMBEDDED = "embedded"  # data_dir of the corpus that the package makes itself


def _rising(values: list[Any]) -> list[Any]:
    if values != sorted(set(values)):
        raise ValueError("values must rise, each standing there once")
    return values


def _whole_or_long(value: float) -> float:
    if 0 < value < 0.5:
        raise ValueError("half a second or more, or 0 for whole utterances")
    return value


def _each_once(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise ValueError("each value may stand there once")
    return values


def _whole_heads(value: int) -> int:
    if value > 64 and value % (value // 64):
        raise ValueError("must be a width that its heads of 64 divide")
    return value


def _of_each(changes: dict[str, list[str]]) -> dict[str, list[str]]:
    for system, names in changes.items():
        if unknown := [name for name in names if name not in RELATED_CHANGES[system]]:
            raise ValueError(f"no change {unknown[0]!r} of {system}; there are: {', '.join(RELATED_CHANGES[system])}")
    return changes


def _with_spectral(rows: list[str]) -> list[str]:
    if rows == ["B"]:
        raise ValueError("B alone has no descriptors to explain: add A, C or D")
    return rows


Fraction = Annotated[float, Field(ge=0, lt=1)]
Level = Annotated[float, Field(gt=0, le=1)]
ClipLength = Annotated[float, Field(ge=0, le=LONGEST_S), AfterValidator(_whole_or_long)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Counts = Annotated[list[Count], Field(min_length=1), AfterValidator(_rising)]
Decibels = Annotated[float, Field(ge=-60, le=60)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Folds = Literal["all"] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), AfterValidator(_rising)]
Row = Literal["A", "B", "C", "D"]  # of Table VI
Rows = Annotated[list[Row], Field(min_length=1), AfterValidator(_rising), AfterValidator(_with_spectral)]
Levels = Annotated[list[Level], Field(min_length=1), AfterValidator(_rising)]
Ratios = Annotated[list[Decibels], Field(min_length=2), AfterValidator(_rising)]
Name = Annotated[str, Field(min_length=1)]
Names = Annotated[list[Name], Field(min_length=1), AfterValidator(_each_once)]
Layers = Annotated[list[int], Field(min_length=1)]
Speeds = Annotated[list[Annotated[float, Field(ge=0.5, le=2)]], Field(min_length=1), AfterValidator(_rising)]
Lesson = Literal[
    "half the width", "half the depth", "twice the depth", "half the channels", "last layer as target", "clean input",
    "noise only", "one speed", "half the steps", "twice the steps",
]  # fmt: skip
Lessons = Annotated[list[Lesson], AfterValidator(_each_once)]
Ablation = Literal[
    "mean pooling", "statistics pooling", "no noisy rows", "no pitched rows", "clean rows only", "K = 40", "half width",
    "double width", "fine-tuned",
]  # fmt: skip
Related = Literal["CNN + attention", "HuMP-CAT", "TRNet"]
RELATED_CHANGES = {
    "CNN + attention": ("no attention", "channel only", "spatial only", "clean rows only", "Gaussian noise and pitch"),
    "HuMP-CAT": (
        "concatenation for stage 1", "concatenation for stage 2", "low layer alone", "high layer alone", "last layer",
    ),
    "TRNet": (
        "no low-level loss", "no high-level loss", "enhanced only", "noisy speech alone", "clean speech alone",
    ),
}  # fmt: skip
Coefficient = Literal["log-mel", "log-mel without floor", "mfcc", "mfcc without floor"]
Ablations = Annotated[list[Ablation], Field(min_length=1), AfterValidator(_each_once)]  # "mean pooling" costs least
# what the first edition called them, for the message
_FORMER = {
    "backbone": "encoder", "backbone_layers": "encoder_layers", "backbone_frozen": "encoder_frozen",
    "variants": "ablations", "lesson_variants": "lesson_changes", "fold": "folds", "study_seeds": "seeds",
    "study_width": "cnn_width", "study_epochs": "epochs",
}  # fmt: skip


class Parameters(BaseModel):
    """Parameters of a run; names carry their unit, unknown names and wrong types are refused.

    The defaults are the demo profile. A notebook's parameters cell repeats, as literals, those that it uses.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    # where
    run_dir: str = "reports/demo"
    profile: str = "demo"
    data_dir: str = EMBEDDED
    corpora: Names = ["ravdess", "cremad", "tess", "savee"]  # or tables that list one, as paths from data_dir
    classes: dict[str, str] = {"calm": "neutral"}  # what an emotion counts as, where not as itself; "": left out
    corpus_scale: Annotated[float, Field(gt=0, le=4)] = 1.0
    noise_test_collections: Names = ["embedded-test"]
    # signal
    clip_start_s: Annotated[float, Field(ge=0)] = 0.6
    clip_length_s: ClipLength = 2.5  # 0: whole utterances
    n_mfcc: Annotated[int, Field(ge=1, le=128)] = 20
    frame_length: Annotated[int, Field(ge=64)] = 2048
    hop_length: Annotated[int, Field(ge=16)] = 512
    # noise: types that training and test have, and such that only the test has
    noises: Names = ["railway_engine", "children_playing", "fish_market"]
    unheard_noises: Names = [  # one at least: room and telephone need no recordings
        "synthetic rain", "synthetic dishes", "babble", "room", "telephone",
    ]  # fmt: skip
    unheard_snr_db: Annotated[list[Decibels], Field(min_length=1), AfterValidator(_rising)] = [0.0, 10.0]
    lambda_max: Level = 0.75
    lambda_levels: Levels = [0.25, 0.5, 0.75]
    snr_levels_db: Ratios = [-5.0, 0.0, 5.0, 10.0, 15.0, 20.0]
    snr_utterances: Count = 28
    test_utterances: Annotated[int, Field(ge=0)] = 112  # 0: all
    pitch_semitones: Annotated[float, Field(ge=-12, le=12)] = 0.7
    # model
    encoder: Name = "w2v2-mini"
    encoder_layers: Layers = [-1]
    encoder_frozen: bool = True
    cnn_width: Annotated[float, Field(gt=0, le=1)] = 0.03125
    rows: Rows = ["A", "B", "C", "D"]
    # training
    folds: Folds = [0, 1]
    fold_scheme: Literal["emobox", "luna-jimenez"] = "emobox"
    seed: Seed = 0  # of all that is drawn but for trainings
    seeds: Annotated[list[Seed], Field(min_length=1), AfterValidator(_rising)] = [0]
    epochs: Count = 4
    batch_size: Count = 64
    precision: Literal["float32", "bfloat16", "auto"] = "auto"  # auto: bfloat16 where the machine is made for it
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup_fraction: Fraction = 0.1
    settings: Annotated[int, Field(ge=1, le=9)] = 2  # tried of each system, on validation speakers
    single_corpora: bool = True
    full_width_folds: Annotated[list[Annotated[int, Field(ge=0)]], AfterValidator(_rising)] = []  # at published width
    # studies: the ladder of protocols and the ablations
    study_row: Row = "D"
    ladder_epochs: Count = 4  # of one seed; known siblings and voices pay the more, the longer is trained
    ablations: Ablations = ["mean pooling", "statistics pooling", "no noisy rows", "clean rows only"]
    # the systems of the other papers
    cnn_filters: Count = 16  # of each convolution of the CNN with attention; 256 in print
    humpcat_layers: Annotated[list[int], Field(min_length=2, max_length=2)] = [1, -1]  # HuBERT's 1 and 9 in print
    trnet_channels: Counts = [8, 16, 32]  # of the convolutions of TRNet's encoder
    enhancer: Name = "none"  # of TRNet: none, spectral gating, rnnoise, or a TorchScript file
    enhancers: Names = ["none", "spectral gating", "rnnoise"]  # that are measured
    enhanced_utterances: Count = 2  # that they are measured on
    related_ablations: Annotated[dict[Related, Names], Field(min_length=1), AfterValidator(_of_each)] = {
        "CNN + attention": ["no attention"],
        "TRNet": ["noisy speech alone"],
    }
    curve_target: Name = "savee"  # corpus on shares of which HuMP-CAT is fine-tuned
    curve_shares: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1), AfterValidator(_rising)] = [
        0.1, 1.0,
    ]  # fmt: skip
    curve_epochs: Count = 2  # over four times its training recordings, which have no altered copies
    coefficient_features: Annotated[list[Coefficient], Field(min_length=1), AfterValidator(_each_once)] = ["log-mel"]
    coefficient_folds: Annotated[int, Field(ge=2)] = 3  # of speakers whose recordings' coefficients are samples
    coefficient_epochs: Count = 1
    coefficient_rows: Annotated[int, Field(ge=64)] = 4000  # that the network is trained on, at most
    # voices: recordings that a test speaker is enrolled on, and corpora that are trained and tested across
    enrolment_counts: Counts = [1, 2, 4, 8]
    enrolment_draws: Count = 1
    transfer_corpora: Annotated[list[Name], AfterValidator(_each_once)] = ["ravdess", "tess"]
    # encoders: which are compared, with their layers, and how one teaches another
    encoders: Annotated[dict[str, Layers], Field(min_length=1)] = {"w2v2-mini": [-1], "tiny-wav2vec2": [-1]}
    finetuned: dict[str, Folds] = {}  # encoders that are trained along with rows B and D, and on which folds
    encoder_rows: Annotated[list[Literal["B", "C", "D"]], AfterValidator(_rising)] = ["B"]
    teacher: Name = "w2v2-mini"
    teacher_layers: Layers = [-1]
    student_start: str = ""  # an encoder of this shape, to be taught further; empty: random weights
    student_channels: Count = 8
    student_hidden: Annotated[int, Field(ge=16, multiple_of=16), AfterValidator(_whole_heads)] = 32
    student_layers: Count = 2
    lesson_speeds: Speeds = [1.0]
    lesson_steps: Annotated[int, Field(ge=10)] = 40
    lesson_batch_size: Count = 8
    lesson_learning_rate: Positive = 2e-3
    lesson_changes: Lessons = ["clean input"]
    # evaluation and explanation
    bootstrap_samples: Annotated[int, Field(ge=100)] = 1000
    xai_utterances: Count = 8
    untrained_seeds: Annotated[int, Field(ge=2)] = 2  # copies with random weights that explain the same decisions
    shap_background: Count = 32
    shap_samples: Count = 200
    occlusion_window_s: Positive = 0.2
    occlusion_hop_s: Positive = 0.1


def named_encoders(values: Mapping[str, Any]) -> list[str]:
    """Encoders, by name or folder, that some parameters name."""
    single = {values.get(name, "") for name in ("encoder", "teacher", "student_start")}
    return sorted({*single, *values.get("encoders", {})} - {""})


def local_encoder(name: str, root: Path, data_dir: str) -> Path | None:
    """Folder of an encoder by name or path, beside the corpora too; see :func:`find_encoder`."""
    return find_encoder(name, root, None if data_dir == EMBEDDED else data_dir)


def project_root(start: Path | None = None) -> Path:
    """The folder that holds ``notebooks`` and ``sersupport``, from the working directory upwards.

    papermill starts notebooks in the process's folder, nbval and JupyterLab in the notebook's own: relative paths in
    parameters are meant from here, whichever it is. Without such a folder, the working directory.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "notebooks" / "profiles").is_dir() and (folder / "sersupport").is_dir():
            return folder
    return here


def validated(values: Mapping[str, Any], origin: str) -> Parameters:
    """Check a mapping of parameters.

    Parameters
    ----------
    values : mapping
        Parameter names and values; those left out take the demo profile's.
    origin : str
        Where the values come from, for the message.

    Raises
    ------
    UserError
        Naming the first unknown, ill-typed or out-of-range parameter.
    """
    if "\\x00" in repr(values):
        raise UserError(f"{origin}: a value holds the character NUL; leave it out")
    try:
        return Parameters(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = [_FORMER[name]] if name in _FORMER else difflib.get_close_matches(name, Parameters.model_fields, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UserError(f"{origin}: unknown parameter {name!r}{hint}") from None
        why = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{origin}: parameter {name} = {first['input']!r}: {why}") from None


def from_namespace(namespace: Mapping[str, Any], origin: str) -> Parameters:
    """Parameters from a notebook's global names, right after its parameters cell.

    papermill only warns of a name that the notebook does not declare; here every public name bound to a literal
    must be a parameter, so that a misspelt ``-p`` fails before anything runs.
    """
    literals = {
        name: value
        for name, value in namespace.items()
        # In and Out are IPython's, names in capitals imported constants
        if isinstance(value, bool | int | float | str | list | dict)
        and not (name.startswith("_") or name.isupper() or name in {"In", "Out"})
    }
    return validated(literals, origin)


class _Yaml(yaml.SafeLoader):
    """YAML 1.1 takes ``1e-3`` for a text; this one, like YAML 1.2, for a number."""


_Yaml.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_yaml(text: str, origin: str) -> Any:
    """Value of a YAML text.

    Raises
    ------
    UserError
        If it is not YAML; the message begins with ``origin``.
    """
    try:
        return yaml.load(text, Loader=_Yaml)
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as error:  # malformed dates, deep nesting
        raise UserError(f"{origin}: not valid YAML: {' '.join(str(error).split())}") from None


def read_profile(profile: str, profiles_dir: Path) -> dict[str, Any]:
    """Values of a profile, by name (``demo``) or by path to a YAML file.

    Raises
    ------
    UserError
        If there is no such profile, or it is not a YAML mapping.
    """
    is_path = profile.endswith((".yaml", ".yml"))
    path = Path(profile) if is_path else profiles_dir / f"{profile}.yaml"
    if not path.is_file() or not (is_path or path.parent == profiles_dir):
        known = ", ".join(sorted(entry.stem for entry in profiles_dir.glob("*.yaml")))
        raise UserError(f"no profile {profile!r} ({path}); there are: {known}, or give the path of a .yaml file")
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8: save it as plain UTF-8 text") from None
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise UserError(f"{path}: a profile is a mapping of parameter names to values")
    return values
