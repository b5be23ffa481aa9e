"""Command line of the distribution: sync, list, images, digests, diff."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from . import cache, compare, digests, images, lock, table
from .documents import Document, DocumentError, digest, parse
from .source import Component, CrdsOf
from .sync import Request, sync


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status says whether everything asked for is there."""
    options = _parser().parse_args(arguments)
    try:
        return {"sync": _sync, "list": _list, "images": _images, "digests": _digests, "diff": _diff}[options.command](
            options
        )
    except (
        table.UnknownNameError, cache.CacheMissingError, DocumentError, digests.DigestError, lock.LockError,
    ) as error:  # fmt: skip
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of the output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("interrupted; what is complete is cached, the same command goes on from there", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kubeflow.distribution", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--release", default=table.CURRENT, choices=tuple(table.RELEASES))
    common.add_argument("--cache", type=Path, help="folder of the cache (default: .tools/cache/distribution/<release>)")
    common.add_argument("--component", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    one = commands.add_parser("sync", parents=[common], help="get components into the cache, proven against the lock")
    one.add_argument("--from", dest="data", type=Path, metavar="DIR", help="rendered YAML, instead of upstream")
    one.add_argument("--refresh", action="store_true", help="read the source even where the cache is as locked")
    one.add_argument("--update-lock", action="store_true", help="show what changed, then write the lock")
    commands.add_parser("list", parents=[common], help="components, versions, sources, and what is cached")
    one = commands.add_parser("images", parents=[common], help="every image that a component names, and where")
    one.add_argument("--json", action="store_true", help="print JSON")
    one = commands.add_parser("digests", parents=[common], help="ask registries which digests the tags name; resumes")
    one.add_argument("--refresh", action="store_true", help="ask again for what is known")
    one = commands.add_parser("diff", help="compare two releases, caches or folders of rendered YAML by object")
    one.add_argument("before", metavar="A")
    one.add_argument("after", metavar="B")
    return parser


def _sync(options: argparse.Namespace) -> int:
    if options.data is not None and not options.data.is_dir():
        print(f"error: --from {options.data}: no such folder", file=sys.stderr)
        return 2
    folder = options.cache or cache.directory(options.release)
    request = Request(
        release=options.release,
        names=tuple(options.component),
        data=options.data,
        folder=folder,
        workspace=folder.parent / "sources",
        tools=cache.ROOT / ".tools" / "bin",
        update_lock=options.update_lock,
        refresh=options.refresh,
    )
    outcomes = sync(request, report=lambda line: print(line, flush=True))
    failed = sum(1 for outcome in outcomes if outcome.error)
    objects = sum(outcome.count for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    print(f"{len(outcomes) - failed} of {len(outcomes)} components, {objects} objects, {seconds:.1f} s")
    return 1 if failed else 0


def _list(options: argparse.Namespace) -> int:
    folder = options.cache or cache.directory(options.release)
    locked = lock.read(options.release).components
    rows = [("COMPONENT", "VERSION", "LICENCE", "OBJECTS", "CACHED", "SOURCE")]
    for component in table.components(options.release, tuple(options.component)):
        entry = locked.get(component.name)
        cached = cache.known(folder, component.name)
        state = "no" if not cached else "yes" if entry and digest(cached) == entry.sha256 else "stale"
        count = str(entry.count) if entry else "-"
        licence, origin = _origin(component, options.release)
        rows.append((component.name, component.version, licence, count, state, origin))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _origin(component: Component, release: str) -> tuple[str, str]:
    """Licence and source in words."""
    source = component.source
    if isinstance(source, CrdsOf):
        (whole,) = table.components(release, (source.component,))
        return _origin(whole, release)[0], f"CRDs of {source.component}"
    return source.pin.licence, f"{source.pin} {source.path}"


def _images(options: argparse.Namespace) -> int:
    folder = options.cache or cache.directory(options.release)
    found: list[images.Found] = []
    missing: list[str] = []
    for component in table.components(options.release, tuple(options.component)):
        try:
            found += images.find(component.name, cache.read(folder, component.name))
        except cache.CacheMissingError:
            missing.append(component.name)
    grouped = images.by_image(found)
    if options.json:
        print(json.dumps([_entry(image, places) for image, places in grouped.items()], indent=1))
    else:
        for image, places in grouped.items():
            print(f"{image}  (pinned by {images.pinned_by(image)})")
            for place in places:
                print(f"    {place.component}: {place.identity}: {place.path}")
        moving = [image for image in grouped if images.moves(image)]
        if moving:
            print(f"{len(moving)} images have no tag, or one that is meant to move: {', '.join(moving)}")
        print(f"{len(grouped)} images in {len(found)} places")
    if missing:
        print(f"error: not cached: {', '.join(missing)}; run: {cache.COMMAND}", file=sys.stderr)
    return 1 if missing else 0


def _digests(options: argparse.Namespace) -> int:
    folder = options.cache or cache.directory(options.release)
    chosen = table.components(options.release, tuple(options.component))
    named = [item.image for one in chosen for item in images.find(one.name, cache.read(folder, one.name))]
    failed = digests.update(
        options.release, named, refresh=options.refresh, report=lambda line: print(line, flush=True)
    )
    if failed:
        print(f"error: no digest of {len(failed)} images; the same command asks for them again", file=sys.stderr)
    return 1 if failed else 0


def _entry(image: str, places: tuple[images.Found, ...]) -> dict[str, object]:
    listed = [{"component": place.component, "object": place.identity, "path": place.path} for place in places]
    return {"image": image, "pinnedBy": images.pinned_by(image), "found": listed}


def _diff(options: argparse.Namespace) -> int:
    """Exit status 1 when there is a difference, as diff does."""
    before, after = _side(options.before), _side(options.after)
    changed = False
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            only, count = (options.before, len(before[name])) if name in before else (options.after, len(after[name]))
            changed = True
            print(f"{name}: only in {only} ({count} objects)")
            continue
        found = compare.differences(before[name], after[name])
        if found:
            changed = True
            print(f"{name}: {len(found)} objects differ\n{compare.render(found)}")
    if not changed:
        print("no difference")
    return 1 if changed else 0


def _side(text: str) -> dict[str, tuple[Document, ...]]:
    """The components behind an argument of diff: a release's cache, a cache folder, or a folder of rendered YAML."""
    folder = cache.directory(text) if text in table.RELEASES else Path(text)
    cached = {path.stem: cache.read(folder, path.stem) for path in sorted(folder.glob("*.json"))}
    if cached:
        return cached
    rendered = [*sorted(folder.glob("*.yaml")), *sorted(folder.glob("*/*.yaml"))]
    if not rendered:
        known = ", ".join(table.RELEASES)
        raise cache.CacheMissingError(
            f"'{text}' is no cached release ({known}), no cache and no folder of rendered YAML"
        )
    return {path.stem: parse(path.read_text(encoding="utf-8"), origin=str(path)) for path in rendered}


if __name__ == "__main__":
    sys.exit(main())
