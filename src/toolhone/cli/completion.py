"""`toolhone completion`: completion for the shell."""

import click
from click.shell_completion import get_completion_class


@click.command(short_help="Print a completion script for the shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash, in ~/.bashrc:   eval "$(toolhone completion bash)"
    zsh, in ~/.zshrc:     eval "$(toolhone completion zsh)"
    fish, in config.fish: toolhone completion fish | source
    """
    maker = get_completion_class(shell)
    assert maker is not None
    click.echo(maker(ctx.find_root().command, {}, "toolhone", "_TOOLHONE_COMPLETE").source())
