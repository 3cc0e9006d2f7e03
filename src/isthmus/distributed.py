"""Distributed training and inference on one or more machines; Lightning Fabric starts and connects the processes.

Each global batch is cut into as many slices as there are ranks, each rank draws the noise of the global batch and
keeps its slice, and sums are all-reduced. So two processes equal one.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from isthmus.errors import BadInput, IsthmusError, unknown

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor, nn

DISCONNECTED = ("closed by peer", "connection reset", "broken pipe")  # in the messages of errors of the network
LOST = (*DISCONNECTED, "nccl", "processgroup", "timed out", "socket", "gloo")


class ProcessLost(IsthmusError):
    """Another process of this run ended; a training can be resumed from its last checkpoint."""

    def __init__(self, message: str = "another process of this run ended, and so does this one") -> None:
        super().__init__(message)


def first_rank() -> bool:
    """Whether this process is the one that prints and writes; known before the processes are connected."""
    names = ("RANK",) if os.environ.get("RANK") else ("NODE_RANK", "LOCAL_RANK", "SLURM_PROCID")
    return not any(int(os.environ.get(name) or 0) for name in names)


def fabric_of(options: Mapping[str, Any]) -> Fabric:
    """Fabric for the keys device, precision, devices, nodes and strategy; starts further processes where needed.

    Under torchrun and SLURM the processes run already, and their number counts. Raises BadInput for a device that
    this machine does not have, or a number of processes other than torchrun or SLURM started.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy
    from lightning_fabric.strategies.model_parallel import ModelParallelStrategy

    keep_freed_memory()
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    device = named_device(options["device"])
    devices, nodes = launched_processes() or (options["devices"], options["nodes"])
    strategy: Any = options["strategy"]
    if devices * nodes == 1:
        strategy = "auto"
    elif strategy == "fsdp":
        strategy = ModelParallelStrategy(sharded, data_parallel_size=devices * nodes, tensor_parallel_size=1)
    else:
        # Buffers are equal on all ranks, because the sums that change them are all-reduced first.
        strategy = DDPStrategy(broadcast_buffers=False)
    try:
        fabric = Fabric(
            accelerator="auto" if options["device"] == "auto" else device,
            strategy=strategy,
            devices=devices,
            num_nodes=nodes,
            precision=options["precision"],
        )
        fabric.launch()
        if fabric.world_size > 1:
            atexit.register(disconnect)
            if fabric.device.type == "cpu":  # a lost rank is an error here: Fabric must not kill us before we report it
                getattr(fabric.strategy.launcher, "procs", []).clear()
    except (ValueError, RuntimeError) as error:
        if any(word in str(error).lower() for word in DISCONNECTED):  # a process ended while they were connected
            raise ProcessLost from error
        raise BadInput(f"{devices} devices on {nodes} nodes: {str(error).splitlines()[0]}") from error
    return fabric


def sharded(module: nn.Module, mesh: Any) -> nn.Module:
    """The module with the parameters of its nets, and its remaining ones, sharded over the ranks (FSDP)."""
    from torch.distributed.fsdp import fully_shard

    # Parameters are gathered while a net's forward runs; an objective has none, so its σ is gathered with the rest.
    nets = (net for name, net in module.named_children() if name in ("encoder", "bottleneck", "decoder"))
    for part in [*(net for net in nets if any(True for _ in net.parameters())), module]:
        fully_shard(part, mesh=mesh["data_parallel"])
    return module


def gather(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The full tensors of tensors that are sharded over the ranks; a collective call, so all ranks must make it."""
    return {name: getattr(tensor, "full_tensor", lambda tensor=tensor: tensor)() for name, tensor in tensors.items()}


def shard_like(tensors: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Full tensors, sharded over the ranks like the tensors of the same name in `like`."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    result = dict(tensors)
    for name, tensor in result.items():
        pattern = like.get(name)
        if isinstance(pattern, DTensor):
            result[name] = distribute_tensor(tensor.to(pattern.device), pattern.device_mesh, pattern.placements)
    return result


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next step, which allocates the same sizes again.

    Otherwise each large temporary comes from the system and goes back to it, and its pages are cleared and mapped
    anew: a tenth to a quarter of the time of a small net. Only glibc needs this; elsewhere it does nothing.
    """
    import ctypes

    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-3, 2**25)  # M_MMAP_THRESHOLD: the most that glibc accepts
        mallopt(-1, 2**30)  # M_TRIM_THRESHOLD


def connected() -> bool:
    """Whether this process belongs to a process group; without importing torch."""
    group: Any = sys.modules.get("torch.distributed")
    return group is not None and group.is_available() and group.is_initialized()


def disconnect() -> None:
    """Close the process group; otherwise its threads may print errors when Python ends."""
    import torch.distributed as group

    with suppress(Exception):
        group.destroy_process_group()


def launched_processes() -> tuple[int, int] | None:
    """(processes per node, nodes) as torchrun or SLURM has started them; else None."""
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    if TorchElasticEnvironment.detect():
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return local, int(os.environ["WORLD_SIZE"]) // local
    if SLURMEnvironment.detect():
        nodes = int(os.environ.get("SLURM_NNODES", "1"))
        return int(os.environ["SLURM_NTASKS"]) // nodes, nodes
    return None


def named_device(name: str) -> str:
    """Torch's name of a device: gpu becomes cuda, auto the fastest device of this machine.

    Raises BadInput for a device that this machine does not have.
    """
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = "cuda" if name == "gpu" else name
    has = [device for device, usable in available.items() if usable]
    if name == "auto":
        return has[0]
    if name not in available:
        raise unknown("device", name, ["auto", "gpu", *available])
    if not available[name]:
        raise BadInput(f"device {name}: this machine has none that torch can use; it has {', '.join(reversed(has))}")
    return name


def all_reduce(value: Tensor, fabric: Fabric) -> Tensor:
    """The sum of `value` over all ranks."""
    total: Any = fabric.all_reduce(value, reduce_op="sum") if fabric.world_size > 1 else value
    return total


def any_rank(flags: Sequence[bool], fabric: Fabric) -> tuple[bool, ...]:
    """Whether each flag is set on at least one rank."""
    if fabric.world_size == 1:
        return tuple(flags)
    import torch

    counts = torch.tensor(flags, dtype=torch.float32, device=fabric.device)
    return tuple(bool(count) for count in all_reduce(counts, fabric).tolist())


def rank_rows(count: int, fabric: Fabric) -> slice:
    """This rank's rows of a global batch of `count` items; possibly none."""
    each, remainder = divmod(count, fabric.world_size)
    first = fabric.global_rank * each + min(fabric.global_rank, remainder)
    return slice(first, first + each + (fabric.global_rank < remainder))


@contextmanager
def joint_failure(fabric: Fabric) -> Iterator[None]:
    """Inside, the end of another process raises ProcessLost, one line, instead of an error of the network library.

    A SIGTERM, as a job queue sends it, becomes a KeyboardInterrupt, so that nothing half-written is left behind.
    """
    main = threading.current_thread() is threading.main_thread()
    handle = main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    interrupt = signal.getsignal(signal.SIGINT)
    joint = main and fabric.world_size > 1 and callable(interrupt)
    if handle:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    if joint:  # the command line's handler ends a process without output at once, but the others still need this one
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except RuntimeError as error:
        message = str(error).lower()
        if fabric.world_size > 1 and any(word in message for word in LOST):
            raise ProcessLost from error
        raise
    finally:
        if handle:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if joint:
            signal.signal(signal.SIGINT, interrupt)
