"""All commands together."""

import click

from .. import __version__
from .check import check
from .demo import demo
from .evaluate import evaluate
from .featurize import featurize
from .fit import fit
from .info import info
from .options import example
from .predict import predict

_SETTINGS = {"show_default": True, "max_content_width": 100, "help_option_names": ["-h", "--help"]}


@click.group(
    context_settings=_SETTINGS,
    epilog=example("sklode fit train.xyz", "sklode evaluate model.skops test.xyz"),
)
@click.version_option(__version__, message="sklode %(version)s")
def sklode() -> None:
    """Long-range features of atoms, and models made of them.

    The exit status is 0 if all went well, 1 after an error or an interruption, and 2 for options
    that mean nothing. Errors are one line on standard error.
    """


for command in (fit, predict, evaluate, check, featurize, info, demo):
    sklode.add_command(command)
