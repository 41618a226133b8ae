"""Settings, errors and their types: what is refused, with which words, and that nothing has changed after it."""

from __future__ import annotations

import io
import pickle
import re

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import _C

BASES = {
    "ShapeError": ValueError,
    "DTypeError": TypeError,
    "DeviceError": ValueError,
    "ArgumentError": ValueError,
    "AutogradError": RuntimeError,
    "OutOfRangeError": IndexError,
}


@pytest.mark.parametrize("name", BASES)
def test_error_types(name: str) -> None:
    """Each is a TilegradError and the builtin that such an error would be elsewhere, and can be pickled."""
    error = getattr(tg, name)
    assert issubclass(error, tg.TilegradError)
    assert issubclass(error, BASES[name])
    assert error.__module__ == "tilegrad"
    copy = pickle.loads(pickle.dumps(error("text")))
    assert type(copy) is error
    assert str(copy) == "text"


@pytest.mark.parametrize("n", [0, -1, 1025, 2**40, 2**100])
def test_number_of_threads_out_of_range(n: int) -> None:
    before = tg.get_num_threads()
    with pytest.raises(tg.ArgumentError, match=rf"set_num_threads: n must be from 1 to 1024, found {n}$"):
        tg.set_num_threads(n)
    assert tg.get_num_threads() == before


@pytest.mark.parametrize("n", [2.0, "2", None, True, [2]])
def test_number_of_threads_is_an_integer(n: object) -> None:
    before = tg.get_num_threads()
    message = f"set_num_threads: n must be an integer from 1 to 1024, found {re.escape(repr(n))}$"
    with pytest.raises(tg.DTypeError, match=message):
        tg.set_num_threads(n)  # type: ignore[arg-type]
    assert tg.get_num_threads() == before


def test_number_of_threads() -> None:
    before = tg.get_num_threads()
    try:
        for n in (1, 2, 7, np.int64(3), 1024):
            tg.set_num_threads(n)
            assert tg.get_num_threads() == n
    finally:
        tg.set_num_threads(before)


def test_float32_precision() -> None:
    assert tg.get_float32_precision() == "high"
    try:
        tg.set_float32_precision("highest")
        assert tg.get_float32_precision() == "highest"
        for bad in ("low", "HIGH", "", None, 1):
            with pytest.raises(
                tg.ArgumentError, match=r'set_float32_precision: precision must be "high" or "highest", found'
            ):
                tg.set_float32_precision(bad)  # type: ignore[arg-type]
            assert tg.get_float32_precision() == "highest"
    finally:
        tg.set_float32_precision("high")
    with pytest.raises(tg.ArgumentError, match=r'must be "high" or "highest", found "low"$'):
        _C.set_float32_precision("low")


def test_unknown_isa_names_the_available() -> None:
    before = _C.isa()
    with pytest.raises(tg.ArgumentError, match=r"isa 'mmx' is not available here; available: generic(, \w+)*$"):
        _C.set_isa("mmx")
    assert _C.isa() == before


@pytest.mark.parametrize("device", ["cuda:16", "gpu", ""])
def test_unknown_device(device: str) -> None:
    known = "'cpu', 'cuda' and 'cuda:0' to 'cuda:15'"
    with pytest.raises(tg.DeviceError, match=rf"zeros: device '{device}' is none of {known}"):
        tg.zeros(3, device=device)


@pytest.mark.parametrize("dtype", ["float31", "complex64", "", np.complex64, object(), 5.0])
def test_unknown_dtype(dtype: object) -> None:
    with pytest.raises(tg.DTypeError, match=r"^zeros: dtype .* is not one of float32, float64, bfloat16, "):
        tg.zeros(3, dtype=dtype)


def test_too_many_dimensions() -> None:
    with pytest.raises(tg.ShapeError, match=r"a tensor has at most \d+ dimensions"):
        tg.zeros((1,) * 100)


def test_percent_signs_in_values_are_text() -> None:
    """Messages are formatted once."""
    with pytest.raises(tg.ArgumentError, match="isa '%s%n%d' is not available"):
        _C.set_isa("%s%n%d")
    with pytest.raises(tg.DTypeError, match="'%s%n'"):
        tg.zeros(3, dtype="%s%n")


def test_long_messages_are_whole() -> None:
    name = "x" * 100_000
    with pytest.raises(tg.ArgumentError) as caught:
        _C.set_isa(name)
    assert f"isa '{name}' is not available" in str(caught.value)


def test_show_config() -> None:
    text = io.StringIO()
    tg.show_config(text)
    lines = dict(
        line.split(None, 1) for line in text.getvalue().replace("isas available", "isas_available").splitlines()
    )
    assert lines["tilegrad"] == tg.__version__
    assert lines["numpy"] == np.__version__
    assert lines["isa"].split()[0] == _C.isa()
    assert lines["isas_available"].split(", ") == _C.available_isas()
    assert lines["threads"].startswith(f"{tg.get_num_threads()} from ")
    assert lines["cuda"] == tg.cuda.why_not() or "multiprocessors" in lines["cuda"]
    for name in ("compiler", "memory in use", "memory cached", "cpus allowed", "float32 precision"):
        assert name in text.getvalue()


def test_version_is_the_installed_one() -> None:
    from importlib.metadata import PackageNotFoundError, version

    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", tg.__version__)
    try:
        installed = version("tilegrad")
    except PackageNotFoundError:
        pytest.skip("tilegrad is not installed here")
    assert installed == tg.__version__
