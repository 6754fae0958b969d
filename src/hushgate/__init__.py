"""Hushgate: a self-hosted reverse tunnel. `hushgate.protocol` is its sans-IO core, `hushgate.cli` its commands."""

__version__ = "0.1.0"
