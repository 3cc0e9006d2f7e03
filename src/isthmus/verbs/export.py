"""export: a run as one ONNX file, checked against the model in onnxruntime."""

from __future__ import annotations

import copy
import io
import logging
import math
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from isthmus import models, store
from isthmus.data import to_unit
from isthmus.errors import BadInput, IsthmusError, Note, unknown
from isthmus.files import atomic, check_output
from isthmus.inference.inputs import RunOrModel, as_model
from isthmus.layers import seeded
from isthmus.registry import config_of
from isthmus.verbs.onnx_modules import WORDS, Part

OPSET = 18  # what the exporter speaks by itself, and runtimes since 2023 understand
TOLERANCE = 1e-4
LIMIT = 2_000_000_000  # bytes of weights: protobuf ends at 2 GB


def export(run: RunOrModel, out: Path | str, part: str | None = None, force: bool = False) -> Path:
    """Write the model as the ONNX file `out`, in one piece, check it in onnxruntime, and return its path.

    In the file, input: float32 N×shape in [0, 1]; reconstruction: N×shape in [0, 1], as model.reconstruct makes it (of
    a table whose columns have ranges of their own, both in the units of the table);
    code: N×code_shape; indices: int64 N×grid. Where holes are filled, mask, N×1×H×W, goes in too, 1 in a hole; where a
    mark is found, mask comes out. A detector adds score [N], map N×H×W and threshold, a number, as model.detect gives
    them, and takes pictures of the run's own size, without a mask.

    part: None (input -> reconstruction, code), "encoder" (input -> code, and indices where the code is discrete) or
    "decoder" (code -> reconstruction). N is open, and so are height and width where the net takes any. A code does not
    tell what the encoder had padded: from a grid of the model's own size the decoder makes a picture of the model's own
    size, from any other grid whole cells, to be cropped.

    The check, on random items by ones and threes, and of another size where it is open: no number may differ by more
    than 1e-4 (of the largest, where that is over 1). A code that jumps, of symbols or of the k largest, may fall to the
    other side of a tie, where the last digit decides: there one number of the code in a hundred is left out, and the
    picture is compared with what the model makes of the file's own code, with nothing left out.

    Raises BadInput for a run or an `out` that cannot be used, an unknown part, someone's own modules, weights over
    2 GB, or without the extra onnx; IsthmusError where the file would not equal the model. Then no file is left.
    """
    if part not in WORDS:
        raise unknown("part", str(part), filter(None, WORDS))
    out = check_output(out, force=force)
    if out.suffix.lower() != ".onnx":
        raise BadInput(f"{out}: a name that ends in .onnx is accepted")
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise BadInput("export needs onnx and onnxscript: pip install 'isthmus[onnx]'") from error
    _refuse_own(run)
    model = copy.deepcopy(as_model(run)).cpu().eval()
    if part == "decoder" and model.has_skips:
        raise BadInput("this model cannot decode a code alone: its decoder also takes skips from the encoder")
    weights = [tensor for word in WORDS[part] for tensor in getattr(model, word).state_dict().values()]
    if (size := sum(tensor.nbytes for tensor in weights)) > LIMIT:
        raise BadInput(f"{out}: weights of {size / 1e9:.1f} GB, but an ONNX file in one piece holds less than 2 GB")
    sentence = Part(model, part).eval()
    with atomic(out) as temporary:
        temporary.write_bytes(_translated(sentence, out))
        _check(temporary, sentence, out)
    return out


def _refuse_own(run: RunOrModel) -> None:
    config = config_of(run) if isinstance(run, nn.Module) else store.read_config(models.folder_for(run))["model"]
    for place in (*WORDS[None], "objective"):
        module = config.get(place) if isinstance(config, dict) else None
        if isinstance(module, dict) and "own" in module:
            raise BadInput(f"a run with its own {place} ({module['own']}): only isthmus's own modules can be exported")


def _translated(part: Part, out: Path) -> bytes:
    """The bytes of the file; IsthmusError where the model holds what ONNX has no word for."""
    from onnx.helper import set_model_props

    sides = {0: "batch", 2: "height", 3: "width"} if part.open else {0: "batch"}
    try:
        with _quiet(), torch.no_grad():
            program: Any = torch.onnx.export(
                part,
                part.example(),
                dynamo=True,
                input_names=part.given,
                output_names=part.made,
                dynamic_shapes=(sides,) if len(part.given) == 1 else (sides, sides),
                opset_version=OPSET,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        why = _first_line(error.__cause__ or error)
        raise IsthmusError(f"{out}: not written, because the model cannot be put into ONNX ({why})") from error
    file = program.model_proto  # made anew each time it is asked for
    graph = file.graph
    for piece in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        piece.ClearField("metadata_props")  # every line of source it came from, with the folders of this machine
    graph.ClearField("value_info")  # the sizes in between as formulas: every runtime finds its own
    for value in (*graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        if part.open:
            dims[-2].dim_param, dims[-1].dim_param = part.side(value.name)
        if len(dims):  # not the threshold, which is one for all
            dims[0].dim_param = "batch"
    set_model_props(file, part.about())
    return file.SerializeToString()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, whose warnings, logs and prints do not concern the user."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@torch.no_grad()
def _check(path: Path, part: Part, out: Path) -> None:
    """Raise IsthmusError if the outputs of onnxruntime differ from those of the model."""
    try:
        import onnxruntime
    except ImportError:
        why = "written, but not compared with the model: that needs onnxruntime (pip install 'isthmus[onnx]')"
        warnings.warn(f"{out}: {why}", Note, stacklevel=4)
        return
    channels, *sides = part.model.shape
    sizes = [part.model.shape, *([(channels, sides[0] // 2 + 1, sides[1] // 2 + 3)] if part.open else [])]
    random = seeded(0)
    items = [torch.rand(count, *size, generator=random) for size in sizes for count in (1, 3)]
    given: list[tuple[Tensor, ...]] = [(x,) for x in items]
    if part.given == ["code"]:
        given = [(part.model.encode(x, unit=True),) for x in items]
    elif len(part.given) == 2:
        given = [(x, (torch.rand(x[:, :1].shape, generator=random) < 0.3).float()) for x in items]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        shown = given if part.given == ["code"] else [(part.in_own(x), *rest) for x, *rest in given]
        found = [
            session.run(part.made, dict(zip(part.given, (t.numpy() for t in each), strict=True))) for each in shown
        ]
    except Exception as error:  # of many kinds that share no base
        raise IsthmusError(f"{out}: not written, because onnxruntime cannot run it ({_first_line(error)})") from error
    for each, values in zip(given, found, strict=True):
        made = dict(zip(part.made, map(torch.from_numpy, values), strict=True))
        if part.own is not None and "reconstruction" in made:  # compared in [0, 1], where small columns count as well
            made["reconstruction"] = to_unit(made["reconstruction"], part.own)
        for name, (expected, spared) in _expected(part, *each, made=made).items():
            if not (apart := _apart(made[name], expected, spared)) <= TOLERANCE:
                raise IsthmusError(f"{out}: not written, because its {name} is {apart:.1g} away from the model's")


def _expected(part: Part, *given: Tensor, made: dict[str, Tensor]) -> dict[str, tuple[Tensor, float]]:
    """What the model makes where the file has made `made`, and the share of it that may fall otherwise."""
    expected = _said(part, *given, made=made)
    if part.looks:
        seen = part.scorer(part.model, given[0])
        judged = {"score": seen.score, "map": seen.map, "threshold": torch.tensor(seen.threshold)}
        expected |= {name: (value, 0.0) for name, value in judged.items()}
    return expected


def _said(
    part: Part, given: Tensor, mask: Tensor | None = None, *, made: dict[str, Tensor]
) -> dict[str, tuple[Tensor, float]]:
    """The part of it that is the sentence."""
    model = part.model
    if mask is not None or model.predicts_mask:
        y = model.restore(given, **({} if mask is None else {"mask": mask}))
        own = model.shape[0]
        parts = {"reconstruction": y[:, :own], "mask": y[:, own:]}
        return {name: (value, 0.0) for name, value in parts.items() if name in made}
    if part.given == ["code"]:
        own = given.shape[1:] == model.code_shape
        return {"reconstruction": (model.decode(given) if own else part.picture(given), 0.0)}
    jumps = model.spec.discontinuous
    expected = {"code": (model.encode(given, unit=True), 0.01 if jumps else 0.0)}
    if "indices" in made:  # two symbols of the same vector are the same
        strip: Any = model.bottleneck
        found, symbols = made["indices"], torch.as_tensor(model.symbols(given, unit=True))
        alike = (strip.vectors(found) - strip.vectors(symbols)).abs().amax(1) <= TOLERANCE
        expected["indices"] = (torch.where(alike, found, symbols), 0.01)
    if "reconstruction" not in made:
        return expected
    of_its_code = jumps and not model.has_skips
    again = model.decode(made["code"], tuple(given.shape[1:])) if of_its_code else model.reconstruct(given, unit=True)
    return expected | {"reconstruction": (again, 0.0)}


def _apart(made: Tensor, expected: Tensor, spared: float) -> float:
    """The largest difference, ignoring a share of elements; relative to the largest value if that exceeds 1."""
    if made.shape != expected.shape:
        return math.inf
    differences = (made != expected).float()  # symbols are the same or not, whatever their numbers
    if expected.is_floating_point():
        differences = (made - expected).abs() / expected.abs().max().clamp(min=1)
    count = differences.numel()
    return float(differences.flatten().kthvalue(count - int(spared * count)).values)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class _Verb(ModuleType):
    """isthmus.export(...) is a verb like the others, also once an import of this module has taken the name."""

    def __call__(self, *args: Any, **keys: Any) -> Path:
        return export(*args, **keys)


sys.modules[__name__].__class__ = _Verb
