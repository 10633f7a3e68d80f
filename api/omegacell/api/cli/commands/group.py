"""Makes groups of commands that look alike."""

import typer

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def make_group(summary: str) -> typer.Typer:
    """Return an empty group; its help is plain text, which needs no rich and no time."""
    return typer.Typer(
        help=summary,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings=SETTINGS,
    )


def examples(*lines: str) -> str:
    """Return the end of a command's help: how it is typed, kept as it stands.

    >>> print(examples("omega job list").replace(chr(8), ""))
    <BLANKLINE>
    Example:
      omega job list
    """
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\b\n" + "\n".join([title, *(f"  {line}" for line in lines)])
