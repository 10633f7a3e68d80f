"""The commands as typer sees them: names, options, help with an example. What they do stands in `cli.actions`."""
