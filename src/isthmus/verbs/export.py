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
from isthmus.verbs.onnx_features import build_programs, onnx_features, opset_of, translations, with_program
from isthmus.verbs.onnx_modules import PARTS, Part

OPSET = 18  # the default of the exporter, supported by runtimes since 2023
TOLERANCE = 1e-4
LIMIT = 2_000_000_000  # bytes of weights; the limit of protobuf is 2 GB


def export(run: RunOrModel, out: Path | str, part: str | None = None, force: bool = False) -> Path:
    """Write the model as one ONNX file `out`, check it in onnxruntime, and return its path.

    Tensors of the file: input, float32 N×shape in [0, 1]; reconstruction, N×shape in [0, 1], as from model.reconstruct
    (both in the units of the table, for a table with a range per column), or probabilities, N×K×H×W, of a run of
    segment; code, N×code_shape; indices, int64 N×grid.
    An inpainting model has the input mask, N×1×H×W, 1 in a hole; a model that predicts a mask has the output mask. A
    detector adds score [N], map N×H×W and threshold, a number, as from model.detect; its input has the size of the
    training, without a mask.

    part: None (input -> reconstruction, code), "encoder" (input -> code, and indices of a discrete code) or "decoder"
    (code -> reconstruction). N is dynamic, as are height and width of a model for any size. A code does not contain the
    padding of the encoder: from a code of the training's grid the decoder gives an image of the training's size, from
    any other grid a multiple of the stride, to be cropped.

    The check uses batches of 1 and 3 random items, of a second size too if it is dynamic: no number may differ by more
    than 1e-4 (relative to the largest, if that is over 1). A discontinuous code, of symbols or of the k largest, may
    round differently at a tie: of such a code one number in a hundred is ignored, and the reconstruction is compared
    with that of the file's code, completely.

    Raises BadInput for an unusable run or `out`, an unknown part, unregistered modules, weights over 2 GB, or without
    the extra onnx; IsthmusError if the file does not equal the model. Then no file is left.
    """
    if part not in PARTS:
        raise unknown("part", str(part), filter(None, PARTS))
    out = check_output(out, force=force)
    if out.suffix.lower() != ".onnx":
        raise BadInput(f"{out}: a name that ends in .onnx is accepted")
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise BadInput("export needs onnx and onnxscript: pip install 'isthmus[onnx]'") from error
    _refuse_unregistered(run)
    model = copy.deepcopy(as_model(run)).cpu().eval()
    if part == "decoder" and model.has_skips:
        raise BadInput("this model cannot decode a code alone: its decoder also takes skips from the encoder")
    build_programs(model)
    parts = [getattr(model, name) for name in PARTS[part]] + ([] if model.features is None else [model.features])
    weights = [tensor for one in parts for tensor in one.state_dict().values()]
    if (size := sum(tensor.nbytes for tensor in weights)) > LIMIT:
        raise BadInput(f"{out}: weights of {size / 1e9:.1f} GB, but a single ONNX file holds less than 2 GB")
    module = Part(model, part).eval()
    with atomic(out) as temporary:
        temporary.write_bytes(_exported(module, out))
        _check(temporary, module, out)
    return out


def _refuse_unregistered(run: RunOrModel) -> None:
    config = config_of(run) if isinstance(run, nn.Module) else store.read_config(models.folder_for(run))["model"]
    for name in (*PARTS[None], "objective"):
        module = config.get(name) if isinstance(config, dict) else None
        if isinstance(module, dict) and "own" in module:
            raise BadInput(f"the {name} of this run is unregistered ({module['own']}): only registered modules export")


def _exported(part: Part, out: Path) -> bytes:
    """The bytes of the file. Raises IsthmusError for an operation that ONNX lacks."""
    from onnx.helper import set_model_props

    features = onnx_features(part)
    opset = OPSET if features is None else max(OPSET, opset_of(features))
    sides = {0: "batch", 2: "height", 3: "width"} if part.any_size else {0: "batch"}
    try:
        with _quiet(), torch.no_grad():
            program: Any = torch.onnx.export(
                part,
                part.example(),
                dynamo=True,
                input_names=part.inputs,
                output_names=part.outputs,
                dynamic_shapes=(sides,) if len(part.inputs) == 1 else (sides, sides),
                opset_version=opset,
                custom_translation_table=translations() if features is not None else None,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        why = _first_line(error.__cause__ or error)
        raise IsthmusError(f"{out}: not written, because the model cannot be converted to ONNX ({why})") from error
    file = program.model_proto  # every access makes a copy
    if features is not None:
        with_program(file, features, opset)
    graph = file.graph
    for piece in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        piece.ClearField("metadata_props")  # stack traces with the paths of this machine
    graph.ClearField("value_info")  # symbolic sizes of intermediate results, which runtimes infer
    for value in (*graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        if part.any_size:
            dims[-2].dim_param, dims[-1].dim_param = part.size_names(value.name)
        if len(dims):  # not for the threshold, a scalar
            dims[0].dim_param = "batch"
    set_model_props(file, part.properties())
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
        why = "written, but not compared with the model, which needs onnxruntime (pip install 'isthmus[onnx]')"
        warnings.warn(f"{out}: {why}", Note, stacklevel=4)
        return
    channels, *sides = part.model.shape
    sizes = [part.model.shape, *([(channels, sides[0] // 2 + 1, sides[1] // 2 + 3)] if part.any_size else [])]
    random = seeded(0)
    items = [torch.rand(count, *size, generator=random) for size in sizes for count in (1, 3)]
    given: list[tuple[Tensor, ...]] = [(x,) for x in items]
    if part.inputs == ["code"]:
        given = [(part.model.encode(x, unit=True),) for x in items]
    elif len(part.inputs) == 2:
        given = [(x, (torch.rand(x[:, :1].shape, generator=random) < 0.3).float()) for x in items]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # failures are raised
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        shown = given if part.inputs == ["code"] else [(part.to_table_units(x), *rest) for x, *rest in given]
        found = [
            session.run(part.outputs, dict(zip(part.inputs, (t.numpy() for t in each), strict=True))) for each in shown
        ]
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise IsthmusError(f"{out}: not written, because onnxruntime cannot run it ({_first_line(error)})") from error
    for each, values in zip(given, found, strict=True):
        made = dict(zip(part.outputs, map(torch.from_numpy, values), strict=True))
        # Compared in [0, 1], so that columns of small values count too.
        if part.table_range is not None and "reconstruction" in made:
            made["reconstruction"] = to_unit(made["reconstruction"], part.table_range)
        for name, (expected, tolerated) in _expected(part, *each, made=made).items():
            if not (difference := _difference(made[name], expected, tolerated)) <= TOLERANCE:
                raise IsthmusError(f"{out}: not written, because {name} differs by {difference:.1g} from the model's")


def _expected(part: Part, *given: Tensor, made: dict[str, Tensor]) -> dict[str, tuple[Tensor, float]]:
    """The outputs of the model, and the share of each that may differ from the outputs `made` of the file."""
    expected = _expected_outputs(part, *given, made=made)
    if part.detects:
        result = part.scorer(part.model, given[0])
        scores = {"score": result.score, "map": result.map, "threshold": torch.tensor(result.threshold)}
        expected |= {name: (value, 0.0) for name, value in scores.items()}
    return expected


def _expected_outputs(
    part: Part, given: Tensor, mask: Tensor | None = None, *, made: dict[str, Tensor]
) -> dict[str, tuple[Tensor, float]]:
    """`_expected`, without the outputs of a detector."""
    model = part.model
    if mask is not None or model.predicts_mask:
        y = model.restore(given, **({} if mask is None else {"mask": mask}))
        own = model.shape[0]
        parts = {"reconstruction": y[:, :own], "mask": y[:, own:]}
        return {name: (value, 0.0) for name, value in parts.items() if name in made}
    if part.inputs == ["code"]:
        own = given.shape[1:] == model.code_shape
        return {"reconstruction": (model.decode(given) if own else part.picture(given), 0.0)}
    jumps = model.spec.discontinuous
    expected = {"code": (model.encode(given, unit=True), 0.01 if jumps else 0.0)}
    if "indices" in made:  # two symbols of the same vector are the same
        bottleneck: Any = model.bottleneck
        indices, symbols = made["indices"], torch.as_tensor(model.symbols(given, unit=True))
        equal = (bottleneck.vectors(indices) - bottleneck.vectors(symbols)).abs().amax(1) <= TOLERANCE
        expected["indices"] = (torch.where(equal, indices, symbols), 0.01)
    if part.main not in made:
        return expected
    of_its_code = jumps and not model.has_skips
    again = model.decode(made["code"], tuple(given.shape[1:])) if of_its_code else model.reconstruct(given, unit=True)
    return expected | {part.main: (again, 0.0)}


def _difference(made: Tensor, expected: Tensor, tolerated: float) -> float:
    """The largest difference, ignoring a share of elements; relative to the largest value if that exceeds 1."""
    if made.shape != expected.shape:
        return math.inf
    differences = (made != expected).float()  # for symbols, whose numbers have no order
    if expected.is_floating_point():
        differences = (made - expected).abs() / expected.abs().max().clamp(min=1)
    count = differences.numel()
    return float(differences.flatten().kthvalue(count - int(tolerated * count)).values)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class _Verb(ModuleType):
    """Makes isthmus.export callable after an import of this module, which replaces the function of that name."""

    def __call__(self, *args: Any, **keys: Any) -> Path:
        return export(*args, **keys)


sys.modules[__name__].__class__ = _Verb
