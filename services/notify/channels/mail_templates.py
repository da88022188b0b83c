"""The mail templates beside this module, read once."""

from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined, select_autoescape

FOLDER = "templates"


def load_templates() -> Environment:
    """Return the templates by file name. HTML ones escape what they are given; a missing word is an error."""
    folder = files(__package__) / FOLDER
    texts = {each.name: each.read_text("utf-8") for each in folder.iterdir() if each.is_file()}
    return Environment(
        loader=DictLoader(texts),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
