"""The entry point: finds the command, runs it, turns errors into messages and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from met2net_ops.cli.common import print_error, print_json, print_lines, print_text
from met2net_ops.errors import Met2NetOpsError
from met2net_ops.visible import visible

# Name → module. Each module has a function `command`, or a Typer group `app`, and imports nothing
# heavy at its top. The order is that of --help, which puts groups last.
COMMANDS: dict[str, str] = {
    "init": "met2net_ops.cli.init",
    "demo": "met2net_ops.cli.demo",
    "sources": "met2net_ops.cli.sources",
    "fetch": "met2net_ops.cli.fetch",
    "ingest": "met2net_ops.cli.ingest",
    "coverage": "met2net_ops.cli.coverage",
    "observations": "met2net_ops.cli.observations",
    "forecast": "met2net_ops.cli.forecast",
    "verify": "met2net_ops.cli.verify",
    "serve": "met2net_ops.cli.serve",
    "status": "met2net_ops.cli.status",
    "cycles": "met2net_ops.cli.cycles",
    "models": "met2net_ops.cli.models",
    "train": "met2net_ops.cli.train",
    "naturerun": "met2net_ops.cli.naturerun",
    "dashboard": "met2net_ops.cli.dashboard",
    "prune": "met2net_ops.cli.prune",
    "doctor": "met2net_ops.cli.doctor",
}

_DEBUG = "MET2NET_DEBUG"
_AS_JSON = "--json"
_USAGE_ERROR: Any = typer.BadParameter.__base__  # typer has its own since it left click


def _show_version(wanted: bool) -> None:
    if wanted:
        from met2net_ops.version import __version__

        print_lines(f"met2net-ops {__version__}")
        raise typer.Exit


def _root() -> None:
    """Operational weather forecasting with Met2Net: GRIB in, verified CF NetCDF out."""
    import logging

    from met2net_ops.logs import configure

    configure(logging.DEBUG if _DEBUG in os.environ else logging.WARNING)


def _root_with_options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar=_DEBUG, help="Log more; show where an error came from."),
    ] = False,
) -> None:
    if debug:
        os.environ[_DEBUG] = "1"  # child processes shall know as well
    _root()


class _Group(TyperGroup):
    """Tells scripts of failures, and shows what a usage error repeats of the command line as it is.

    With `--json` every command that ends with an error before it has printed its result prints
    `{"exit_code": …, "error": …}` instead.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with self._errors_told():
            return super().make_context(*args, **kwargs)

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        with self._errors_told():
            return super().invoke(*args, **kwargs)

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if isinstance(error, _USAGE_ERROR):
                error.message = visible(error.message)
            if self.context_settings["obj"] == _AS_JSON:
                known = isinstance(error, _USAGE_ERROR | Met2NetOpsError)
                message = getattr(error, "message", str(error))
                print_json({
                    "exit_code": getattr(error, "exit_code", 1),
                    "error": message if known else f"{type(error).__name__}: {message}",
                })  # fmt: skip
            raise


def build(arguments: list[str]) -> typer.Typer:
    """The application, as much of it as `arguments` need.

    Where they begin with the name of a command, only that one is imported, and groups that an
    argument passes through take no options: typer's newer versions would import pydantic (0.2 s)
    to learn that --help was not given there.
    """
    named = arguments[0] if arguments and arguments[0] in COMMANDS else None
    passed = named is not None and len(arguments) > 1 and not arguments[1].startswith("-")
    app = typer.Typer(
        cls=_Group,
        callback=_root if named else _root_with_options,
        help=_root.__doc__,
        add_completion=named is None,
        add_help_option=named is None,
        rich_markup_mode=None,  # drawing help with rich costs 0.3 s
        pretty_exceptions_enable=False,
        context_settings={
            "help_option_names": ["--help", "-h"],
            "obj": _AS_JSON if _AS_JSON in arguments else "",
        },
    )
    for name in [named] if named else COMMANDS:
        module = import_module(COMMANDS[name])
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, add_help_option=not passed)
        else:
            app.command(name)(module.command)
    return app


def main() -> None:
    """Run the command line and exit: see `met2net_ops.errors` for the exit codes."""
    # Threads that spin while they wait starve whatever shares the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    _print_what_the_encoding_lacks_as_escapes()
    try:
        build(sys.argv[1:])(prog_name="met2net-ops")
    except Exception as error:
        if _DEBUG in os.environ:
            _print_traceback()
            raise SystemExit(1) from None
        if isinstance(error, Met2NetOpsError):
            print_error(str(error))
            raise SystemExit(error.exit_code) from None
        print_error(
            f"unexpected {type(error).__name__}: {error}\n"
            "This is a fault of met2net-ops. `met2net-ops --debug …` shows where it happened."
        )
        raise SystemExit(1) from None


def _print_traceback() -> None:
    import traceback

    print_text(traceback.format_exc().rstrip(), err=True)


def _print_what_the_encoding_lacks_as_escapes() -> None:
    """A terminal that cannot show a character gets its code instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
