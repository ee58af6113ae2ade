import torch

from unlabeled.objectives.precision import at_least_float32

torch.set_num_threads(1)


@at_least_float32
def product(a, b, *, scale=1.0):
    """Multiplies."""
    return scale * a @ b


def test_a_product_of_halves_is_computed_in_float32_even_under_autocast():
    a, b = torch.randn(4, 4).half(), torch.randn(4, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        result = product(a, b, scale=2.0)
    assert result.dtype == torch.float32
    assert torch.equal(result, 2.0 * a.float() @ b.float())


def test_tensors_given_by_name_or_in_lists_are_raised_too():
    @at_least_float32
    def types(views, *, key, note):
        return [v.dtype for v in views], key.dtype, note

    half = torch.ones(1, dtype=torch.float16)
    assert types([half, half.double()], key=half, note="x") == (
        [torch.float32, torch.float64],
        torch.float32,
        "x",
    )


def test_whole_numbers_and_masks_pass_untouched():
    @at_least_float32
    def identity(value):
        return value

    for value in (torch.tensor([1, 2]), torch.tensor([True]), torch.tensor([1], dtype=torch.uint8), 3, None):
        assert identity(value) is value


def test_the_wrapped_function_keeps_its_name_and_documentation():
    assert product.__name__ == "product" and product.__doc__ == "Multiplies."
