"""Which processes share the work: one, several on a machine, or many machines. Lightning Fabric starts and joins them.

The same everywhere: each global batch is cut into as many slices as there are ranks, each rank draws the noise of the
whole batch and keeps its slice, and what is summed is summed over all. So two processes equal one.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from isthmus.errors import BadInput, IsthmusError, unknown

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor, nn

GONE = ("closed by peer", "connection reset", "broken pipe")
LOST = (*GONE, "nccl", "processgroup", "timed out", "socket", "gloo")


class Lost(IsthmusError):
    """Another process of this job is gone; a training goes on from its last checkpoint."""

    def __init__(self, said: str = "another process of this job ended, and so does this one") -> None:
        super().__init__(said)


def first_rank() -> bool:
    """Whether this process is the one that speaks and writes; known before anything is started."""
    names = ("RANK",) if os.environ.get("RANK") else ("NODE_RANK", "LOCAL_RANK", "SLURM_PROCID")
    return not any(int(os.environ.get(name) or 0) for name in names)


def fabric_of(options: Mapping[str, Any]) -> Fabric:
    """Fabric for the keys device, precision, devices, nodes and strategy; several processes are started here.

    Under torchrun and SLURM the processes are there already, and their number counts. Raises BadInput for a device
    that this machine does not have, or a number of processes that does not agree with what was started.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy
    from lightning_fabric.strategies.model_parallel import ModelParallelStrategy

    keep_freed_memory()
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    device = named_device(options["device"])
    devices, nodes = started() or (options["devices"], options["nodes"])
    strategy: Any = options["strategy"]
    if devices * nodes == 1:
        strategy = "auto"
    elif strategy == "fsdp":
        strategy = ModelParallelStrategy(sharded, data_parallel_size=devices * nodes, tensor_parallel_size=1)
    else:
        # Buffers are equal on all ranks, because what changes them is summed over the ranks first.
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
            if fabric.device.type == "cpu":  # where a lost rank is an error, Fabric need not kill us before we say so
                getattr(fabric.strategy.launcher, "procs", []).clear()
    except (ValueError, RuntimeError) as error:
        if any(word in str(error).lower() for word in GONE):  # the other one ended while the two were being connected
            raise Lost from error
        raise BadInput(f"{devices} devices on {nodes} nodes: {str(error).splitlines()[0]}") from error
    return fabric


def sharded(module: nn.Module, mesh: Any) -> nn.Module:
    """The module with the parameters of its nets, and those that are left, shared out over the ranks."""
    from torch.distributed.fsdp import fully_shard

    # Gathered while a net's forward runs; an objective has none, so its σ is gathered with what is left.
    nets = (getattr(module, name, None) for name in ("encoder", "bottleneck", "decoder"))
    for part in [*(net for net in nets if net is not None and any(True for _ in net.parameters())), module]:
        fully_shard(part, mesh=mesh["data_parallel"])
    return module


def gather(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that are shared out over the ranks, as each rank would have them alone; all ranks must ask."""
    return {name: getattr(tensor, "full_tensor", lambda tensor=tensor: tensor)() for name, tensor in tensors.items()}


def shard_like(tensors: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Whole tensors, shared out over the ranks as those of the same name in `like` are."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    found = dict(tensors)
    for name, tensor in found.items():
        pattern = like.get(name)
        if isinstance(pattern, DTensor):
            found[name] = distribute_tensor(tensor.to(pattern.device), pattern.device_mesh, pattern.placements)
    return found


def keep_freed_memory() -> None:
    """Let the C library keep what is freed for the next step, which asks for the same sizes again.

    Otherwise each large temporary comes from the system and goes back to it, and its pages are cleared and mapped
    anew: a tenth to a quarter of the time of a small net. glibc alone needs to be told; elsewhere this does nothing.
    """
    import ctypes

    with suppress(OSError, AttributeError):
        tell = ctypes.CDLL(None).mallopt
        tell(-3, 2**25)  # M_MMAP_THRESHOLD: the most that glibc accepts
        tell(-1, 2**30)  # M_TRIM_THRESHOLD


def disconnect() -> None:
    """Take leave of the other processes, or their threads may complain when Python ends."""
    import torch.distributed as group

    with suppress(Exception):
        group.destroy_process_group()


def started() -> tuple[int, int] | None:
    """Processes a node and nodes, where torchrun or SLURM has started them; else None."""
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
    """The device that torch knows by this name: gpu is cuda, auto the fastest that this machine has.

    Raises BadInput for a device that this machine does not have.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = "cuda" if name == "gpu" else name
    has = [device for device, found in there.items() if found]
    if name == "auto":
        return has[0]
    if name not in there:
        raise unknown("device", name, ["auto", "gpu", *there])
    if not there[name]:
        raise BadInput(f"device {name}: this machine has none that torch can use; it has {', '.join(reversed(has))}")
    return name


def all_reduce(value: Tensor, fabric: Fabric) -> Tensor:
    """The sum of `value` over all ranks."""
    found: Any = fabric.all_reduce(value, reduce_op="sum") if fabric.world_size > 1 else value
    return found


def rank_rows(count: int, fabric: Fabric) -> slice:
    """The rows of a global batch of `count` that are this rank's; a rank may have none."""
    each, over = divmod(count, fabric.world_size)
    first = fabric.global_rank * each + min(fabric.global_rank, over)
    return slice(first, first + each + (fabric.global_rank < over))


@contextmanager
def joint_failure(fabric: Fabric) -> Iterator[None]:
    """Inside, the end of another process is Lost, one line, instead of whatever the network says of it.

    And a SIGTERM, which a job queue says, is a KeyboardInterrupt, so that nothing half-written is left behind.
    """
    main = threading.current_thread() is threading.main_thread()
    ours = main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except RuntimeError as error:
        told = str(error).lower()
        if fabric.world_size > 1 and any(word in told for word in LOST):
            raise Lost from error
        raise
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
