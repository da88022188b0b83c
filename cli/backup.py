"""`tocsin backup` and `tocsin restore`: the installation in a file, and back."""

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli.backup_file import About, check_backup, restore_backup, write_backup
from cli.backup_lines import BackupError
from cli.session import fail, with_bus
from shared.bus import Bus


def make_backup(path: Path, force: bool) -> None:
    """Write the installation to `path`; end the command with a message if it cannot be done."""
    if path.exists() and not force:
        fail(f"{path} is there already: name another file, or say --force")

    async def work(bus: Bus) -> About:
        with _progress("writing {task.completed} lines") as shown:
            task = shown.add_task("", total=None)
            return await write_backup(
                bus.redis,
                bus.names,
                path,
                now=datetime.now(UTC),
                tocsin=version("tocsin"),
                progress=lambda lines: shown.update(task, completed=lines),
            )

    try:
        about = with_bus(work)
    except BackupError as e:
        fail(str(e))
    print(f"{path}: {about.lines} lines, {path.stat().st_size / 1e6:.1f} MB, of {about.made_at}")
    print("It holds addresses, secrets of webhooks and the key of the links: keep it as you keep the server.")


def restore(path: Path, verify: bool) -> None:
    """Put a backup into an empty installation, or only say whether it could be."""
    try:
        about = check_backup(path) if verify else with_bus(lambda bus: _restored(bus, path))
    except BackupError as e:
        fail(str(e))
    done = "sound" if verify else "restored; start the services"
    print(
        f"{path}: {about.lines} lines of {about.made_at}, Tocsin {about.tocsin}, "
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
