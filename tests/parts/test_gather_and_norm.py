"""What batch norm over all processes promises. Processes are played by threads that meet in `gather`.

(With real processes the same is promised of every method, in `tests/contract/test_processes.py`.)
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from unlabeled.parts import GlobalBatchNorm, gather, globalise, norm, processes

Together = Callable[[Callable[[int], Tensor]], list[Tensor]]


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Together:
    """Runs a function as process 0 and as process 1 at once; gradients cross as in the real `gather`."""
    barrier, mine, handed = threading.Barrier(2, timeout=10), threading.local(), [torch.empty(0)] * 2

    def meet(x: Tensor) -> Tensor:
        handed[mine.rank] = x
        barrier.wait()
        both = torch.cat(handed)
        barrier.wait()
        return both

    def run(work: Callable[[int], Tensor]) -> list[Tensor]:
        def start(rank: int) -> Tensor:
            mine.rank = rank
            return work(rank)

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(start, (0, 1)))

    monkeypatch.setattr(norm, "gather", meet)
    monkeypatch.setattr(norm, "processes", lambda: 2)
    return run


def _pair(**options: object) -> tuple[nn.BatchNorm1d, GlobalBatchNorm]:
    """torch's and ours, with the same affine parameters."""
    theirs = nn.BatchNorm1d(4, **options)
    if theirs.affine:
        nn.init.normal_(theirs.weight), nn.init.normal_(theirs.bias)
    ours = GlobalBatchNorm(4, **options)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def _equal_statistics(theirs: nn.Module, ours: nn.Module) -> None:
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_one_process_gathers_nothing() -> None:
    x = torch.randn(3, 2, requires_grad=True)
    assert processes() == 1 and gather(x) is x


@pytest.mark.parametrize(
    "options", [{}, {"affine": False}, {"momentum": None}, {"track_running_stats": False}]
)
def test_on_one_process_it_is_torchs_batch_norm(options: dict[str, object]) -> None:
    torch.manual_seed(0)
    theirs, ours = _pair(**options)
    for _ in range(3):
        x = torch.randn(16, 4) * 3 + 2
        assert torch.equal(ours(x), theirs(x))
    _equal_statistics(theirs, ours)
    theirs.eval(), ours.eval()
    x = torch.randn(16, 4)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("shape", [(4,), (4, 5), (4, 3, 2)])
@pytest.mark.parametrize("options", [{}, {"affine": False}, {"momentum": None}, {"eps": 0.1}])
def test_two_processes_equal_torchs_batch_norm_of_the_whole_batch(
    together: Together, shape: tuple[int, ...], options: dict[str, object]
) -> None:
    torch.manual_seed(0)
    theirs = (nn.BatchNorm1d if len(shape) < 3 else nn.BatchNorm2d)(4, **options)
    twins = [GlobalBatchNorm(4, **options) for _ in range(2)]
    for _ in range(2):
        x = torch.randn(8, *shape) * 3 + 2
        halves = together(lambda rank, x=x: twins[rank](x[4 * rank : 4 * rank + 4]))
        torch.testing.assert_close(torch.cat(halves), theirs(x))
    for twin in twins:
        _equal_statistics(theirs, twin)


@pytest.mark.parametrize("first", [1, 3, 7])
def test_uneven_batches_count_by_their_size(together: Together, first: int) -> None:
    torch.manual_seed(0)
    theirs, twins = nn.BatchNorm1d(4).double(), [GlobalBatchNorm(4).double() for _ in range(2)]
    x = torch.randn(8, 4, dtype=torch.float64) * torch.arange(1.0, 9)[:, None]
    halves = together(lambda rank: twins[rank](x[:first] if rank == 0 else x[first:]))
    torch.testing.assert_close(torch.cat(halves), theirs(x))
    for twin in twins:
        _equal_statistics(theirs, twin)


def test_a_large_mean_cancels_nothing(together: Together) -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 4) * torch.tensor([1.0, 0.1, 1.0, 3.0]) + torch.tensor([1000.0, 1000.0, -1000.0, 0.0])
    twins = [GlobalBatchNorm(4) for _ in range(2)]
    halves = together(lambda rank: twins[rank](x[:20] if rank == 0 else x[20:]))
    exact = nn.BatchNorm1d(4).double()
    torch.testing.assert_close(torch.cat(halves).double(), exact(x.double()), rtol=1e-3, atol=2e-3)
    torch.testing.assert_close(twins[0].running_var.double(), exact.running_var, rtol=1e-4, atol=0)


def test_gradients_are_those_of_the_whole_batch(together: Together) -> None:
    torch.manual_seed(0)
    x, weights = torch.randn(8, 4, dtype=torch.float64), torch.randn(8, 4, dtype=torch.float64)
    mine, right = x.clone().requires_grad_(), x.clone().requires_grad_()
    twins = [GlobalBatchNorm(4).double() for _ in range(2)]
    halves = together(lambda rank: twins[rank](mine[:3] if rank == 0 else mine[3:]))
    (torch.cat(halves).sin() * weights).sum().backward()
    (nn.BatchNorm1d(4).double()(right).sin() * weights).sum().backward()
    torch.testing.assert_close(mine.grad, right.grad)


def test_evaluation_uses_the_running_moments_and_meets_nobody(together: Together) -> None:
    theirs, ours = _pair()
    theirs(torch.randn(16, 4) + 2)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 4)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_half_precision_comes_back_in_its_type_with_moments_in_float32(together: Together) -> None:
    torch.manual_seed(0)
    x = (torch.randn(64, 4) + 30).bfloat16()
    twins = [GlobalBatchNorm(4) for _ in range(2)]
    halves = together(lambda rank: twins[rank](x[:32] if rank == 0 else x[32:]))
    assert halves[0].dtype == torch.bfloat16
    torch.testing.assert_close(twins[0].running_mean, 0.1 * x.float().mean(0))


def test_a_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="dimensions"):
        GlobalBatchNorm(4)(torch.randn(4))


def _net() -> nn.Sequential:
    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, eps=0.01, momentum=0.3), nn.ReLU())
    return nn.Sequential(inner, nn.Flatten(), nn.LazyLinear(5), nn.BatchNorm1d(5, affine=False))


def test_globalise_keeps_every_parameter_and_buffer_object() -> None:
    net = _net()
    net(torch.randn(4, 3, 6, 6))
    parameters, buffers = dict(net.named_parameters()), dict(net.named_buffers())
    assert globalise(net) is net
    assert dict(net.named_parameters()).keys() == parameters.keys()
    assert dict(net.named_buffers()).keys() == buffers.keys()
    assert all(p is parameters[name] for name, p in net.named_parameters())
    assert all(b is buffers[name] for name, b in net.named_buffers())


def test_globalise_reaches_every_batch_norm_and_keeps_its_settings() -> None:
    net = _net()
    net.eval()
    globalise(net)
    found = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert len(found) == 2 and all(isinstance(m, GlobalBatchNorm) for m in found)
    assert (found[0].eps, found[0].momentum, found[0].affine) == (0.01, 0.3, True)
    assert not found[1].affine and not any(m.training for m in found)


def test_globalise_twice_changes_nothing_more() -> None:
    net = globalise(_net())
    modules = list(net.modules())
    assert all(a is b for a, b in zip(modules, globalise(net).modules(), strict=True))
