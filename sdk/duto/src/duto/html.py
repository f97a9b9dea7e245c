"""Plain HTML for notebooks: colours for light and dark, tables of facts. No script, so that it lasts in saved notebooks."""

from __future__ import annotations

import html
from datetime import datetime, timezone
from typing import Any, Callable, Iterable, Tuple

from duto.exceptions import AzureMLException

# JupyterLab and VS Code say on which ground they draw; elsewhere the reader's system does.
STYLE = """<style>
.duto{color-scheme:light dark;--ink:light-dark(#17202b,#e6ebf1);--soft:light-dark(#606c7b,#8f9bab);
--ground:light-dark(#fff,#161c24);--line:light-dark(#e1e5ea,#28313c);--accent:light-dark(#0b6e69,#4fc3bb);
--idle:light-dark(#5b6674,#a4afbc);--queued:light-dark(#855600,#e3b341);--running:light-dark(#1d5bd6,#7aa7ff);
--completed:light-dark(#1a7038,#5fce84);--reused:light-dark(#6b3fc4,#b69bff);--failed:light-dark(#b3261e,#ff8f85);
font:13px/1.45 system-ui,"Segoe UI",sans-serif;color:var(--ink);background:var(--ground);border:1px solid var(--line);
border-radius:8px;padding:12px 14px;max-width:960px;overflow:auto}
[data-jp-theme-light="true"] .duto,.vscode-light .duto{color-scheme:light}
[data-jp-theme-light="false"] .duto,.vscode-dark .duto{color-scheme:dark}
.duto a{color:var(--accent)}
.duto .head{display:flex;flex-wrap:wrap;gap:4px 14px;align-items:baseline;margin-bottom:8px}
.duto .head b{font-size:15px}.duto .soft{color:var(--soft)}.duto .end{margin-left:auto}
.duto h4{font-size:12px;font-weight:600;color:var(--soft);margin:14px 0 4px}
.duto table{border-collapse:collapse;margin:0;font-size:12.5px;color:inherit;background:none;border:0}
.duto tr{background:none!important;border:0}
.duto th,.duto td{text-align:left;padding:3px 16px 3px 0;border:0;border-bottom:1px solid var(--line);
vertical-align:top;color:inherit;background:none;max-width:440px;overflow-wrap:anywhere}
.duto th{font-weight:600;color:var(--soft);white-space:nowrap}
.duto td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.duto .state{white-space:nowrap}.duto .state::before{content:"";display:inline-block;width:8px;height:8px;
border-radius:50%;background:currentColor;margin-right:6px}
.duto .error{border-left:3px solid var(--failed);padding:2px 0 2px 10px;white-space:pre-wrap;margin:8px 0}
.duto pre{font:12px/1.45 ui-monospace,Menlo,Consolas,monospace;margin:0;max-height:260px;overflow:auto;
white-space:pre-wrap;overflow-wrap:anywhere;color:inherit;background:none}
.duto svg{max-width:100%;height:auto}.duto svg text{fill:var(--ink);font:12px system-ui,sans-serif}
</style>"""


def text(value: Any) -> str:
    """A value as it stands, escaped."""
    return html.escape("" if value is None else str(value), quote=True)


def link(url: str, words: str) -> str:
    return f'<a href="{text(url)}" target="_blank" rel="noopener">{text(words)}</a>' if _is_web(url) else text(words)


def page(*parts: str) -> str:
    """A piece of a notebook, with what it needs to be seen on any ground."""
    return f'{STYLE}<div class="duto">{"".join(parts)}</div>'


def facts(kind: str, name: Any, url: str, rows: Iterable[Tuple[str, Any]]) -> str:
    """What a thing is, as a table with a link to its page; rows without a value are left out."""
    shown = "".join(
        f"<tr><th>{text(key)}</th><td>{_cell(value)}</td></tr>"
        for key, value in rows
        if value not in (None, "", {}, [])
    )
    head = f'<div class="head"><span class="soft">{text(kind)}</span><b>{text(name)}</b>{link(url, "Open in the studio") if url else ""}</div>'
    return page(head, f"<table><tbody>{shown}</tbody></table>")


def known(ask: Callable[[], Any]) -> Any:
    """What the studio says, None where it cannot be asked: to look at a thing in a notebook is no error."""
    try:
        return ask()
    except AzureMLException:
        return None


def moment(at: Any) -> str:
    """A time of the studio's for people; empty for none."""
    if not at:
        return ""
    found = at if isinstance(at, datetime) else datetime.fromisoformat(str(at).replace("Z", "+00:00"))
    return found.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "<br>".join(f"{text(key)}: {text(each)}" if each != "" else text(key) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return "<br>".join(text(each) for each in value)
    return text(value)


def _is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))
