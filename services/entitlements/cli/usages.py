"""`entitlements usage`: what a customer has and has used, and `usage list`, every line of it."""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperGroup

from entitlements.cli.options import prose
from entitlements.cli.workspaces import USAGE_EXAMPLE, usage

#: What `entitlements usage ws-1` stands for.
_DEFAULT: Final = "show"
_HELP: Final = """
What a customer has, and every line of usage. `entitlements usage ws-1` is short for `entitlements usage show ws-1`.
"""


class ShowsByDefault(TyperGroup):
    """A group whose first command may be left out."""

    default = _DEFAULT

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As of a group, with the first command where none is named."""
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


usages = typer.Typer(
    cls=ShowsByDefault, help=prose(_HELP), no_args_is_help=True, rich_markup_mode="rich", add_completion=False
)
usages.command(_DEFAULT, epilog=USAGE_EXAMPLE)(usage)
