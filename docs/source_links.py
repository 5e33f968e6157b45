"""Links from the manual into the project's source: checked, and written as paths, since the site has no source."""

import pathlib
import re

from mkdocs.exceptions import PluginError

ROOT = pathlib.Path(__file__).resolve().parent.parent


def on_page_markdown(markdown, page, **_):
    def as_path(link):
        text, target = link[1], link[2].split("#")[0]
        path = (ROOT / "docs" / target).resolve()
        if not path.exists():
            raise PluginError(f"{page.file.src_uri}: there is no `{target}`")
        return f"{text} (`{path.relative_to(ROOT)}`)"

    return re.sub(r"\[([^\]]+)\]\((\.\./[^)]+)\)", as_path, markdown)
