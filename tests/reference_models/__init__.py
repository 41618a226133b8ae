"""The networks of tilegrad.models in PyTorch, written from the papers, with torchvision's names of parameters.

One file a family; each imports torch, so that a test imports them behind ``pytest.importorskip("torch")``.
"""
