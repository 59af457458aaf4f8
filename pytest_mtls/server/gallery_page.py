"""The index page of a gallery: every server, what is wrong with it, what a correct client does, and what to type.

One file that loads nothing; every text goes through `escape`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from pytest_mtls.cases.case import Case, Tier
from pytest_mtls.server.gallery import Exhibit
from pytest_mtls.server.gallery_lines import CLIENTS, ClientPaths, lines

__all__ = ["as_page"]

#: Colours have a contrast of 4.5 to 1 or more with what they stand on (WCAG 2.2, 1.4.3), in both schemes.
_STYLE = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --text: #1b1f24; --soft: #57606a; --line: #d5dae0;
  --accent: #0b5cad; --bad: #b3152a; --bad-soft: #fdecee; --good: #116329; --good-soft: #e6f5ea; --code: #eef1f4;
  --either: #7a4d00; --either-soft: #fff4d6; }
@media (prefers-color-scheme: dark) { :root { --page: #0e1116; --card: #171b22; --text: #e7ebf0; --soft: #9da7b3;
  --line: #323a45; --accent: #76b5ff; --bad: #ff9aa2; --bad-soft: #3a1519; --good: #7ee094; --good-soft: #10301a;
  --code: #0b0e13; --either: #f2c14e; --either-soft: #33270a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
header, main { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 1.6rem; }
h1 { font-size: 1.65rem; line-height: 1.25; margin: 0 0 .6rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .7rem; }
h3 { font: 600 1rem/1.4 ui-monospace, "Cascadia Mono", Menlo, monospace; margin: 0; overflow-wrap: anywhere; }
p { margin: .3rem 0; max-width: 46rem; }
a { color: var(--accent); }
code { overflow-wrap: anywhere; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.soft { color: var(--soft); }
.bar { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin: 1.2rem 0; }
input, select { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: .4rem .7rem; }
input { flex: 1 1 14rem; min-width: 0; }
input::placeholder { color: var(--soft); opacity: 1; }
article { background: var(--card); border: 1px solid var(--line); border-left: 5px solid var(--bad); border-radius: 10px;
  padding: .8rem 1.1rem; margin: 0 0 .8rem; }
article.good { border-left-color: var(--good); }
article.either { border-left-color: var(--either); }
.head { display: flex; flex-wrap: wrap; gap: .2rem .8rem; align-items: baseline; justify-content: space-between; }
.badge { border-radius: 999px; padding: .05rem .65rem; font-size: .85rem; font-weight: 600; color: var(--bad); background: var(--bad-soft); }
.good .badge { color: var(--good); background: var(--good-soft); }
.either .badge { color: var(--either); background: var(--either-soft); }
.where { font: .9rem/1.5 ui-monospace, Menlo, monospace; overflow-wrap: anywhere; }
details { margin-top: .35rem; }
summary { cursor: pointer; color: var(--accent); }
h4 { font-size: .85rem; margin: .7rem 0 .2rem; color: var(--soft); }
pre { background: var(--code); border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem; margin: 0; overflow-x: auto;
  font: .82rem/1.5 ui-monospace, "Cascadia Mono", Menlo, monospace; }
button { font: inherit; font-size: .85rem; color: var(--accent); background: none; border: 1px solid var(--line); border-radius: 8px;
  padding: .15rem .7rem; margin-top: .3rem; cursor: pointer; }
[hidden] { display: none; }
"""

#: Filters, and copies. Without it the page has everything too.
_SCRIPT = """
(() => {
  const words = document.querySelector("#words"), shown = document.querySelector("#shown");
  const all = [...document.querySelectorAll("article")];
  const texts = all.map(one => one.dataset.words.toLowerCase());
  document.querySelector(".bar").hidden = false;
  const show = () => {
    const wanted = words.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let count = 0;
    all.forEach((one, number) => { one.hidden = !wanted.every(word => texts[number].includes(word)); count += !one.hidden; });
    document.querySelectorAll("section").forEach(one => { one.hidden = !one.querySelector("article:not([hidden])"); });
    shown.textContent = `${count} of ${all.length} servers are shown.`;
  };
  words.addEventListener("input", show);
  show();
  if (navigator.clipboard) document.querySelectorAll("pre").forEach(pre => {
    const button = document.createElement("button");
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(pre.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    pre.after(button);
  });
})();
"""


def as_page(exhibits: Sequence[Exhibit], files: ClientPaths) -> str:
    """The page.

    Args:
        exhibits: the servers, in the order in which they are listed below their themes.
        files: what a client needs, for the lines to copy.
    """
    return "\n".join(_page(exhibits, files)) + "\n"


def _page(exhibits: Sequence[Exhibit], files: ClientPaths) -> Iterator[str]:
    policy = f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; base-uri 'none'; form-action 'none'"
    bad = sum(one.case is not None and one.case.accepted is False for one in exhibits)
    yield f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<title>Servers of pytest-mtls</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>One good server, and {bad} that a client has to reject</h1>
<p>Each requires a client certificate. Trust <code>{escape(files.ca)}</code>, present <code>{escape(files.cert)}</code>, and
see what your client makes of them.</p>
<div class="bar" hidden><label for="words">Find</label><input id="words" type="search" placeholder="expired, wildcard, signature">
<span id="shown" class="soft" role="status"></span></div>
</header>
<main>"""
    for theme, those in _by_theme(exhibits):
        yield f"<section>\n<h2>{escape(theme)}</h2>"
        yield from (_article(one, files) for one in those)
        yield "</section>"
    yield f"</main>\n<script>{_SCRIPT}</script>\n</body>\n</html>"


def _by_theme(exhibits: Iterable[Exhibit]) -> Iterator[tuple[str, list[Exhibit]]]:
    themes: dict[str, list[Exhibit]] = {}
    for one in exhibits:
        themes.setdefault("The good server" if one.case is None else one.case.theme.capitalize(), []).append(one)
    yield from themes.items()


def _article(exhibit: Exhibit, files: ClientPaths) -> str:
    kind, verdict = _verdict(exhibit.case)
    case = exhibit.case
    summary = "Its certificate and everything about it is in order." if case is None else case.summary
    facts = [] if case is None else [*(reason.words for reason in case.reasons), *([case.rests_on] if case.rfc else [])]
    requires = ", ".join(sorted(case.requires)) if case is not None else ""
    conditions = f" Only where a client has the setting {escape(requires)}." if requires else ""
    told = f'<p class="soft">{escape("; ".join(facts))}{conditions}</p>' if facts or conditions else ""
    typed = "".join(
        f'<h4>{escape(client)}</h4><pre tabindex="0" role="region" aria-label="{escape(f"{client} for {exhibit.id}")}">'
        f"{escape(line)}</pre>"
        for client, line in lines(exhibit, files).items()
    )
    words = " ".join([exhibit.id, exhibit.host, summary, verdict, *facts])
    return f"""<article class="{kind}" data-words="{escape(words)}">
<div class="head"><h3>{escape(exhibit.id)}</h3><span class="badge">{escape(verdict)}</span></div>
<p>{escape(summary)}</p>{told}
<p class="where"><a href="{escape(exhibit.url)}">{escape(exhibit.url)}</a></p>
<details><summary>For {escape(", ".join(CLIENTS))}</summary>{typed}</details>
</article>"""


def _verdict(case: Case | None) -> tuple[str, str]:
    """The class of an article, and what a correct client does."""
    if case is None or case.tier is Tier.GOOD:
        return "good", "accept it"
    if case.tier is Tier.INFORMATIVE:
        return "either", "either is right"
    return "bad", "reject it"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
