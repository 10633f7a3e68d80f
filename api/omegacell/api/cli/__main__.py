"""Lets ``python -m omegacell.api.cli`` stand for `omega`, where no script is installed."""

from omegacell.api.cli.entry import main

if __name__ == "__main__":
    main()
