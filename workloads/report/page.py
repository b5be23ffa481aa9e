"""The frame of every page: one file, no script, no network, light and dark, paper and phone."""

from __future__ import annotations

from collections.abc import Iterable

from .markup import Content, Markup, join, lines, tag

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

STYLE = """
:root{color-scheme:light dark;--ground:#fff;--text:#1b1f24;--soft:#57606a;--edge:#d0d7de;--panel:#f6f8fa;--link:#0550ae;
--good:#116329;--bad:#a40e26;--warn:#7d4e00;--a:#0550ae;--b:#953800;--c:#116329;--d:#6639ba;--e:#57606a;--heat:207,34,46}
@media (prefers-color-scheme:dark){:root{--ground:#0d1117;--text:#e6edf3;--soft:#9aa4af;--edge:#3d444d;--panel:#161b22;
--link:#79b8ff;--good:#56d364;--bad:#ff8f85;--warn:#e3b341;--a:#79b8ff;--b:#ffa657;--c:#56d364;--d:#d2a8ff;--e:#9aa4af;
--heat:248,81,73}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;
overflow-wrap:anywhere}
header,main,footer,nav{max-width:72rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.5rem}footer{color:var(--soft);border-top:1px solid var(--edge);margin-top:3rem;padding:1rem}
h1{font-size:1.7rem;line-height:1.25;margin:.2rem 0 .6rem}h2{font-size:1.3rem;margin:2.2rem 0 .6rem;
border-bottom:1px solid var(--edge);padding-bottom:.3rem}h3{font-size:1.05rem;margin:1.4rem 0 .3rem}
p{margin:.4rem 0;max-width:52rem}a{color:var(--link)}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.lead{font-size:1.05rem;border-left:4px solid var(--edge);padding:.1rem .8rem;max-width:60rem}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;list-style:none;margin:.6rem 0;padding:0}
ul{padding-left:1.3rem;margin:.4rem 0}li{margin:.15rem 0}
code,pre{font:.86em/1.45 ui-monospace,"SF Mono",Menlo,Consolas,monospace}
pre{background:var(--panel);border:1px solid var(--edge);border-radius:6px;padding:.6rem .8rem;white-space:pre-wrap}
.scroll{overflow-x:auto;margin:.6rem 0 1rem}
table{border-collapse:collapse;min-width:100%;font-size:.92rem}
caption{text-align:left;color:var(--soft);padding-bottom:.25rem}
th,td{text-align:left;vertical-align:top;padding:.32rem .7rem .32rem 0;border-bottom:1px solid var(--edge);
overflow-wrap:break-word}thead th{border-bottom-width:2px;white-space:nowrap}tbody th{font-weight:500}
.area{padding-top:1rem;font-weight:700}
.verdict{font-weight:700;white-space:nowrap}.pass{color:var(--good)}.fail,.error{color:var(--bad)}
.skip,.invalid{color:var(--warn)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,13rem),1fr));gap:.8rem;margin:.8rem 0}
.card{border:1px solid var(--edge);border-radius:8px;padding:.7rem .9rem;background:var(--panel)}
.card h3{margin:.1rem 0 .3rem}.card p{margin:.2rem 0}.big{font-size:1.5rem;font-weight:700;line-height:1.2}
details{border:1px solid var(--edge);border-radius:8px;margin:.5rem 0;padding:0 .9rem;background:var(--ground)}
details[open]{padding-bottom:.6rem}summary{cursor:pointer;padding:.5rem 0;font-weight:500}
details details{border-style:dashed}
.soft{color:var(--soft)}.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem}
figure{margin:.6rem 0;min-width:0;max-width:34rem}figcaption{font-size:.9rem;color:var(--soft)}
svg{display:block;width:100%;height:auto;font:11px system-ui,sans-serif;fill:currentColor}
.wide svg{min-width:60rem}
.axis{stroke:var(--edge);fill:none}.dim{fill:var(--soft)}.limit{stroke:var(--bad);stroke-dasharray:5 3;stroke-width:1.5}
.limit-text{fill:var(--bad)}.curve{fill:none;stroke-width:1.8}
.s0{stroke:var(--a)}.s1{stroke:var(--b);stroke-dasharray:6 3}.s2{stroke:var(--c);stroke-dasharray:2 2}
.s3{stroke:var(--d);stroke-dasharray:8 3 2 3}.s4{stroke:var(--e);stroke-dasharray:1 3}
.dot{fill:var(--a)}.cell{fill:rgb(var(--heat));stroke:var(--edge);stroke-width:.5}
.group{fill:var(--panel);stroke:var(--edge)}.node{fill:var(--ground);stroke:var(--edge)}
.edge{stroke:var(--a);fill:none;opacity:.75}.opening{stroke:var(--bad);fill:none;stroke-dasharray:6 3}
.opening-text,.opening-end{fill:var(--bad)}.title{font-weight:700;font-size:12px}.small{font-size:10.5px}
@media (max-width:36rem){.cards{grid-template-columns:1fr 1fr;gap:.5rem}body{font-size:15px}h1{font-size:1.35rem}
th,td{padding-right:.5rem}.narrow thead{display:none}
.narrow table,.narrow caption,.narrow tbody,.narrow tr,.narrow th,.narrow td{display:block}
.narrow td,.narrow tbody th{border:0;padding:.05rem 0}
.narrow tr{border-bottom:1px solid var(--edge);padding:.45rem 0}
.narrow td[data-label]::before{content:attr(data-label) ": ";color:var(--soft)}}
@media print{:root{color-scheme:light;--ground:#fff;--text:#000;--soft:#444;--edge:#bbb;--panel:#fff;--link:#000;
--good:#116329;--bad:#a40e26;--warn:#7d4e00;--a:#0550ae;--b:#953800;--c:#116329;--d:#6639ba;--e:#444;--heat:207,34,46}
body{font-size:10.5pt}nav{display:none}.plots{grid-template-columns:1fr 1fr}figure details{display:none}
.scroll{overflow:visible}thead{display:table-header-group}
tr,figure,.card,svg{break-inside:avoid}h2,h3,summary{break-after:avoid}
details::details-content{content-visibility:visible;block-size:auto}details{border:0;padding:0}.wide svg{min-width:0}}
""".strip()


def page(title: str, lead: Content, sections: Iterable[tuple[str, str, Content]], *, footer: Content) -> str:
    """A whole page. A section is its identifier, its heading and its content; empty ones are left out."""
    shown = [section for section in sections if join([section[2]])]
    links = [tag("li", tag("a", heading, href=f"#{name}")) for name, heading, _ in shown]
    body = [
        tag("section", tag("h2", heading, id=f"{name}-heading"), content, id=name, aria_labelledby=f"{name}-heading")
        for name, heading, content in shown
    ]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        Markup(f"<style>\n{STYLE}\n</style>"),
    )
    whole = lines(
        tag("header", tag("h1", title), tag("p", lead, class_="lead")),
        tag("nav", tag("ul", links), aria_label="Parts of this page") if len(links) > 1 else None,
        tag("main", lines(*body)),
        tag("footer", footer),
    )
    return f'<!doctype html>\n<html lang="en">\n{head}\n{tag("body", whole)}\n</html>\n'
