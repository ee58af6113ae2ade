import math

import pytest
import torch

from unlabeled.objectives import info_nce, nt_xent

torch.set_num_threads(1)


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def dot(a, b):
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True)) / (
        math.sqrt(sum(float(x) ** 2 for x in a)) * math.sqrt(sum(float(y) ** 2 for y in b))
    )


def slow_nt_xent(z1, z2, temperature):
    rows, n = [*z1, *z2], len(z1)
    total = 0.0
    for i in range(2 * n):
        positive = math.exp(dot(rows[i], rows[(i + n) % (2 * n)]) / temperature)
        others = sum(math.exp(dot(rows[i], rows[j]) / temperature) for j in range(2 * n) if j != i)
        total -= math.log(positive / others)
    return total / (2 * n)


def slow_info_nce(query, key, negatives, temperature):
    total = 0.0
    for i in range(len(query)):
        own = math.exp(dot(query[i], key[i]) / temperature)
        if negatives is None:
            everyone = sum(math.exp(dot(query[i], k) / temperature) for k in key)
        else:
            everyone = own + sum(math.exp(dot(query[i], k) / temperature) for k in negatives)
        total -= math.log(own / everyone)
    return total / len(query)


@pytest.mark.parametrize(("n", "dim", "temperature"), [(2, 3, 0.5), (5, 4, 0.1), (7, 1, 1.0)])
def test_nt_xent_is_its_formula(n, dim, temperature):
    z1, z2 = draw(n, dim), draw(n, dim, seed=1)
    expected = slow_nt_xent(z1, z2, temperature)
    assert nt_xent(z1, z2, temperature=temperature).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("n", [2, 3, 16])
def test_nt_xent_of_equal_embeddings_is_log_of_the_number_of_candidates(n):
    z = draw(1, 6).expand(n, 6)
    assert nt_xent(z, z, temperature=0.2).item() == pytest.approx(math.log(2 * n - 1), rel=1e-12)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_nt_xent_of_agreeing_views_of_orthogonal_samples_has_its_closed_form(temperature):
    n = 5
    z = 3 * torch.eye(n, dtype=torch.float64)
    expected = math.log(1 + (2 * n - 2) * math.exp(-1 / temperature))
    assert nt_xent(z, z, temperature=temperature).item() == pytest.approx(expected, rel=1e-12)


def test_nt_xent_does_not_care_which_view_comes_first_nor_about_the_order_of_samples():
    z1, z2, order = draw(6, 4), draw(6, 4, seed=1), torch.tensor([3, 0, 5, 1, 4, 2])
    loss = nt_xent(z1, z2, temperature=0.3)
    torch.testing.assert_close(nt_xent(z2, z1, temperature=0.3), loss)
    torch.testing.assert_close(nt_xent(z1[order], z2[order], temperature=0.3), loss)


def test_contrast_ignores_the_length_of_embeddings():
    z1, z2, length = draw(5, 4), draw(5, 4, seed=1), draw(5, 1, seed=2).exp()
    torch.testing.assert_close(nt_xent(length * z1, z2, temperature=0.3), nt_xent(z1, z2, temperature=0.3))
    torch.testing.assert_close(info_nce(z1, length * z2, temperature=0.3), info_nce(z1, z2, temperature=0.3))


@pytest.mark.parametrize("m", [None, 1, 9])
def test_info_nce_is_its_formula(m):
    query, key = draw(5, 4), draw(5, 4, seed=1)
    negatives = None if m is None else draw(m, 4, seed=2)
    loss = info_nce(query, key, negatives=negatives, temperature=0.2)
    assert loss.item() == pytest.approx(slow_info_nce(query, key, negatives, 0.2), rel=1e-10)


def test_info_nce_of_equal_embeddings_is_log_of_the_number_of_candidates():
    z = draw(1, 3).expand(4, 3)
    assert info_nce(z, z, temperature=0.2).item() == pytest.approx(math.log(4), rel=1e-12)
    loss = info_nce(z, z, negatives=z.repeat(3, 1), temperature=0.2)
    assert loss.item() == pytest.approx(math.log(13), rel=1e-12)


def test_info_nce_with_negatives_leaves_the_rest_of_the_batch_alone():
    query, key, negatives = draw(4, 3), draw(4, 3, seed=1), draw(6, 3, seed=2)
    together = info_nce(query, key, negatives=negatives, temperature=0.5)
    alone = [
        info_nce(query[i : i + 1], key[i : i + 1], negatives=negatives, temperature=0.5) for i in range(4)
    ]
    torch.testing.assert_close(together, torch.stack(alone).mean())


def test_gradient_flows_through_every_embedding():
    query, key, negatives = (draw(4, 3, seed=s).requires_grad_() for s in range(3))
    for loss, inputs in (
        (nt_xent(query, key, temperature=0.5), (query, key)),
        (info_nce(query, key, temperature=0.5), (query, key)),
        (info_nce(query, key, negatives=negatives, temperature=0.5), (query, key, negatives)),
    ):
        assert all(gradient.any() for gradient in torch.autograd.grad(loss, inputs))


def test_a_sharper_temperature_rewards_a_correct_match_more():
    z = torch.eye(4, dtype=torch.float64)
    losses = [nt_xent(z, z, temperature=t).item() for t in (1.0, 0.5, 0.1)]
    assert losses == sorted(losses, reverse=True)
