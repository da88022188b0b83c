"""`tocsin backup` and `tocsin restore`: the installation in a file, and back."""

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli.backup_file import About, check_backup, restore_backup, write_backup
from cli.backup_lines import BackupError
from cli.session import fail, with_bus
from shared.bus import Bus


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, e.g. tocsin-2026-11-22.backup")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write all that the installation holds to one file, as of one moment. Services may keep running."""
    if file.exists() and not force:
        fail(f"{file} is there already: name another file, or say --force")

    async def work(bus: Bus) -> About:
        with _progress("writing {task.completed} lines") as shown:
            task = shown.add_task("", total=None)
            return await write_backup(
                bus.redis,
                bus.names,
                file,
                now=datetime.now(UTC),
                tocsin=version("tocsin"),
                progress=lambda lines: shown.update(task, completed=lines),
            )

    try:
        about = with_bus(work)
    except BackupError as e:
        fail(str(e))
    print(f"{file}: {about.lines} lines, {file.stat().st_size / 1e6:.1f} MB, of {about.made_at}")
    print("It holds addresses, secrets of webhooks and the key of the links: keep it as you keep the server.")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `tocsin backup` wrote.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Only read the file to its end; write nothing.")
    ] = False,
) -> None:
    """Put a backup into an empty Redis, of any version. Stop the services first."""
    try:
        about = check_backup(file) if verify else with_bus(lambda bus: _restored(bus, file))
    except BackupError as e:
        fail(str(e))
    done = "sound" if verify else "restored; start the services"
    print(
        f"{file}: {about.lines} lines of {about.made_at}, Tocsin {about.tocsin}, "
        f"rulebook {about.rulebook or 'unknown'}: {done}"
    )


async def _restored(bus: Bus, path: Path) -> About:
    with _progress("restored {task.completed} lines") as shown:
        task = shown.add_task("", total=None)
        return await restore_backup(
            bus.redis, bus.names, path, lambda lines: shown.update(task, completed=lines)
        )


def _progress(words: str) -> Progress:
    return Progress(SpinnerColumn(), TextColumn(words), TimeElapsedColumn(), transient=True)
