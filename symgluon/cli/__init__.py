"""The command line: ``symgluon`` and ``python -m symgluon``."""

from symgluon.cli.main import main

__all__ = ["main"]
