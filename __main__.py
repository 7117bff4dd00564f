"""``python -m vedette`` is the ``vedette`` command."""

from vedette.cli import main

main()
