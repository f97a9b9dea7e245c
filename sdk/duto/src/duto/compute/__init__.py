"""Compute targets: clusters as programs find, make and watch them."""
