"""Style and script of the HTML report: the only ones that its Content-Security-Policy lets run."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["POLICY", "SCRIPT", "STYLE"]

#: Colours have a contrast of 4.5 to 1 or more with what they stand on (WCAG 2.2, 1.4.3), in both schemes.
STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --text: #1b1f24; --soft: #57606a; --line: #d5dae0; --accent: #0b5cad;
  --bad: #b3152a; --bad-soft: #fdecee; --good: #116329; --good-soft: #e6f5ea; --agreed: #7a4d00; --agreed-soft: #fff4d6;
  --info: #0b5cad; --info-soft: #e7f1fc; --quiet: #57606a; --quiet-soft: #eceff2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1116; --card: #171b22; --text: #e7ebf0; --soft: #9da7b3; --line: #323a45; --accent: #76b5ff;
    --bad: #ff9aa2; --bad-soft: #3a1519; --good: #7ee094; --good-soft: #10301a; --agreed: #f2c14e; --agreed-soft: #33270a;
    --info: #8cc2ff; --info-soft: #10283f; --quiet: #a9b3bf; --quiet-soft: #262d36;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main, header > div, footer { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--card); padding: .5rem 1rem; z-index: 2; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
header { background: var(--card); border-bottom: 1px solid var(--line); border-top: 6px solid var(--good); padding: 1.6rem 0 1.5rem; }
header.failed { border-top-color: var(--bad); }
header p { margin: 0; }
h1 { font-size: 1.65rem; line-height: 1.25; margin: .15rem 0 .6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .8rem; }
h3 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
h4 { font-size: .8rem; text-transform: uppercase; letter-spacing: .06em; color: var(--soft); margin: 0 0 .5rem; }
.kicker { color: var(--soft); font-size: .9rem; }
.verdict { font-size: 1.15rem; font-weight: 650; color: var(--good); }
.failed .verdict { color: var(--bad); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem 1.25rem; }
.counts { display: flex; flex-wrap: wrap; gap: .6rem; list-style: none; padding: 0; margin: 1.1rem 0 0; }
.counts li { border: 1px solid var(--line); border-radius: 8px; padding: .35rem .8rem; min-width: 6.5rem; }
.counts b { display: block; font-size: 1.4rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.counts span { font-size: .85rem; color: var(--soft); }
dl { margin: 0; display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .3rem 1.2rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.badge { display: inline-block; border-radius: 999px; padding: .05rem .65rem; font-size: .85rem; font-weight: 600; white-space: nowrap; }
.deviates .badge, .exception-gone .badge { color: var(--bad); background: var(--bad-soft); }
.conforms .badge { color: var(--good); background: var(--good-soft); }
.excepted .badge { color: var(--agreed); background: var(--agreed-soft); }
.reported .badge { color: var(--info); background: var(--info-soft); }
.left-out .badge { color: var(--quiet); background: var(--quiet-soft); }
article { margin-bottom: 1.1rem; border-left: 5px solid var(--bad) !important; }
article > header { all: unset; display: flex; flex-wrap: wrap; gap: .3rem .8rem; align-items: baseline; justify-content: space-between; }
article p { margin: .35rem 0; }
.why { color: var(--soft); }
.changes { margin: 0; padding: 0; list-style: none; }
.changes li { padding: .3rem 0; overflow-wrap: anywhere; }
.changes b { display: inline-block; min-width: 5.5rem; color: var(--soft); }
.changes .weaker b { color: var(--bad); }
.changes .stronger b { color: var(--good); }
.against { display: flex; flex-wrap: wrap; gap: .4rem 2rem; margin: .7rem 0; }
.against span { color: var(--soft); }
.against b.bad { color: var(--bad); }
.diagnosis { background: var(--bad-soft); border-radius: 8px; padding: .6rem .9rem; margin: .7rem 0; }
.diagnosis b { color: var(--bad); }
.evidence { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1.4rem; margin-top: 1rem; padding-top: 1rem; border-top: 1px solid var(--line); }
.ladder { display: block; width: 100%; max-width: 520px; height: auto; font: 13px system-ui, sans-serif; }
.ladder text { fill: var(--text); text-anchor: middle; }
.ladder .side { fill: var(--quiet-soft); }
.ladder text.side { fill: var(--text); font-weight: 600; }
.ladder path { fill: none; stroke: var(--soft); stroke-width: 1.5; }
.ladder .life { stroke: var(--line); stroke-width: 2; }
.ladder .inside .line { stroke-dasharray: 5 4; }
.ladder .ends path { stroke: var(--bad); stroke-width: 2; }
.ladder .ends text { fill: var(--bad); font-weight: 600; }
.ladder .end { font-weight: 650; font-size: 14px; }
.ladder .end.refused, .ladder .end.undecided { fill: var(--bad); }
.tree, .tree ul { list-style: none; margin: 0; padding: 0; }
.tree ul { margin: .5rem 0 0 .7rem; padding-left: 1.1rem; border-left: 2px solid var(--line); }
.tree li { position: relative; }
.tree ul > li::before { content: ""; position: absolute; left: -1.1rem; top: 1.1rem; width: .9rem; border-top: 2px solid var(--line); }
.tree ul ul ul ul ul { margin-left: 0; padding-left: 0; border-left: 0; }
.tree ul ul ul ul ul > li::before { content: none; }
.tree details, .tree .absent { border: 1px solid var(--line); border-radius: 8px; padding: .4rem .7rem; font-size: .9rem; overflow-wrap: anywhere; }
.tree .absent { border-style: dashed; color: var(--soft); }
.tree .faulty { border-color: var(--bad); }
.tree summary { cursor: pointer; font-weight: 600; }
.tree .until { color: var(--soft); font-weight: 400; margin-left: .4rem; white-space: nowrap; }
.tree dl { margin-top: .4rem; gap: .15rem .8rem; font-size: .85rem; }
.tree .mono { font-family: ui-monospace, Consolas, monospace; font-size: .8rem; }
mark { background: var(--bad-soft); color: var(--bad); font-weight: 600; border-radius: 4px; padding: 0 .3rem; }
.chains h4 + .tree + h4 { margin-top: 1.1rem; }
.handshakes > summary { cursor: pointer; color: var(--accent); }
article.conforms { border-left-color: var(--good) !important; }
article.left-out { border-left-color: var(--quiet) !important; }
.filters { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin-bottom: .8rem; }
.filters input, .filters button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .35rem .75rem; }
.filters input { flex: 1 1 14rem; min-width: 10rem; }
.filters button { cursor: pointer; }
.filters button[aria-pressed="true"] { background: var(--info-soft); color: var(--info); border-color: var(--info); font-weight: 600; }
.shown { color: var(--soft); font-size: .9rem; margin: 0 0 .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; background: var(--card); }
th, td { text-align: left; vertical-align: top; padding: .45rem .7rem; border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
thead th { color: var(--soft); font-size: .8rem; white-space: nowrap; position: sticky; top: 0; background: var(--card); }
tbody th { font-weight: 600; min-width: 9rem; }
#checks td:nth-child(2) { white-space: nowrap; }
td.title { min-width: 14rem; overflow-wrap: anywhere; }
.frame { border: 1px solid var(--line); border-radius: 10px; overflow-x: auto; background: var(--card); }
.frame tr:last-child > * { border-bottom: 0; }
.frame table { margin: 0; }
td small { display: block; color: var(--soft); font-size: .9em; }
td.bad { color: var(--bad); font-weight: 600; }
.contents { margin-bottom: 1.1rem; }
.contents a { white-space: nowrap; margin-right: .5rem; }
footer { color: var(--soft); font-size: .85rem; padding-top: 2.5rem; padding-bottom: 2.5rem; }
@media screen and (max-width: 60rem) {
  .evidence { grid-template-columns: minmax(0, 1fr); }
  #checks thead { position: absolute; clip-path: inset(50%); }
  #checks tr { display: flex; flex-wrap: wrap; gap: .1rem .9rem; align-items: baseline; padding: .6rem .8rem; border-bottom: 1px solid var(--line); }
  #checks tr[hidden] { display: none; }
  #checks :is(th, td) { border: 0; padding: 0; min-width: 0; order: 2; }
  #checks tbody th { flex: 1 1 60%; order: 0; overflow-wrap: anywhere; }
  #checks td:last-child { order: 1; }
  #checks td.title { flex: 1 1 100%; }
  #checks td:is(:nth-child(2), :nth-child(4), :nth-child(5), :nth-child(6), :nth-child(7), :nth-child(8))::before { color: var(--soft); }
  #checks td:nth-child(2)::before { content: "TLS "; }
  #checks td:nth-child(4)::before { content: "rests on "; }
  #checks td:nth-child(5)::before { content: "expected "; }
  #checks td:nth-child(6)::before { content: "seen "; }
  #checks td:nth-child(7)::before { content: "layer "; }
  #checks td:nth-child(8)::before { content: "by "; }
  #checks td.none { display: none; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: .5rem; }
  .tree dl { grid-template-columns: max-content minmax(0, 1fr); gap: .15rem .8rem; }
  .tree dd { margin: 0; }
}
@media print {
  @page { margin: 14mm; }
  :root {
    color-scheme: light;
    --page: #fff; --card: #fff; --text: #000; --soft: #444; --line: #bbb; --accent: #000;
    --bad: #a00018; --bad-soft: #fdecee; --good: #0b5a22; --good-soft: #e6f5ea; --agreed: #6b4300; --agreed-soft: #fff4d6;
    --info: #084a8c; --info-soft: #e7f1fc; --quiet: #444; --quiet-soft: #eceff2;
  }
  body { font-size: 10pt; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .filters, .skip, .shown { display: none; }
  article, tr, .card, .against, .evidence, .ladder, .counts li, .diagnosis { break-inside: avoid; }
  h2, h3, h4 { break-after: avoid; }
  thead { display: table-header-group; }
  thead th { position: static; }
  .frame { overflow: visible; border: 0; }
  table { font-size: 7.5pt; }
  th, td { overflow-wrap: break-word; padding: .2rem .35rem; }
  td.title { min-width: 46mm; }
  tbody th { min-width: 24mm; overflow-wrap: anywhere; }
  #checks td:nth-child(4) { min-width: 22mm; }
  .tree dl, .tree .mono, .tree details, .tree .absent, article .kicker { font-size: 7.5pt; line-height: 1.35; }
  .card { padding: 3mm 4mm; }
  h2 { margin: 5mm 0 2.5mm; }
  thead th { font-size: 7pt; white-space: normal; }
  .badge { font-size: 7pt; padding: 0 .4rem; }
  .ladder { max-width: 64mm; }
  article { padding: 2mm 4mm; margin-bottom: 3mm; font-size: 8.5pt; }
  article p, .against, .diagnosis { margin: 1mm 0; }
  .diagnosis { padding: 1mm 3mm; }
  .evidence { margin-top: 1.5mm; padding-top: 1.5mm; gap: 5mm; }
  h4 { font-size: 7pt; margin-bottom: 1mm; }
  .chains h4 + .tree + h4 { margin-top: 2mm; }
  .tree ul { margin-top: 1.2mm; }
  .tree dl { gap: 0 .8rem; }
  .tree details, .tree .absent { padding: .8mm 2mm; }
  header { padding-top: .8rem; }
}
"""

#: Hides the rows that the filters leave out, and opens the server's chain before printing. Without it, the page has everything too.
SCRIPT = """
(() => {
  const rows = [...document.querySelectorAll("#checks tbody tr")];
  const words = document.querySelector("#words"), shown = document.querySelector("#shown");
  const buttons = [...document.querySelectorAll(".filters button")];
  if (!words) return;
  document.querySelector(".filters").hidden = false;
  const total = rows.reduce((sum, row) => sum + Number(row.dataset.count || 1), 0);
  const texts = rows.map(row => row.textContent.toLowerCase());
  const show = () => {
    const kinds = buttons.filter(one => one.getAttribute("aria-pressed") === "true").map(one => one.dataset.kind);
    const wanted = words.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, number) => {
      const fits = (!kinds.length || kinds.includes(row.className)) && wanted.every(word => texts[number].includes(word));
      row.hidden = !fits;
      count += fits && Number(row.dataset.count || 1);
    });
    shown.textContent = `${count} of ${total} ${shown.dataset.what || "checks"} are shown.`;
  };
  words.addEventListener("input", show);
  for (const one of buttons) one.addEventListener("click", () => {
    one.setAttribute("aria-pressed", String(one.getAttribute("aria-pressed") !== "true"));
    show();
  });
  show();
  const closed = () => document.querySelectorAll("#server details:not([open])");
  let opened = [];
  addEventListener("beforeprint", () => { opened = [...closed()]; opened.forEach(one => { one.open = true; }); });
  addEventListener("afterprint", () => opened.forEach(one => { one.open = false; }));
})();
"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


#: Nothing is loaded from anywhere, and nothing runs but the script above (W3C Content Security Policy Level 3).
POLICY = (
    f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; base-uri 'none'; form-action 'none'"
)
