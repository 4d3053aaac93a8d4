"""Convolution in C: channels last, activations as they lie, weights in panels."""
