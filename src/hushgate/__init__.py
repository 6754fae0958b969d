"""Hushgate: a self-hosted reverse tunnel. `hushgate.protocol` is the sans-IO core; the programs are in `hushgate.cli`."""

__version__ = "0.1.0"
