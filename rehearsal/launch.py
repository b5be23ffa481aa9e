"""Entry point of every stand-in: `python -P launch.py NAME [ARGUMENT...]`, as launchers call it.

Starts in a fraction of the time of `import pulumi`: of that package only the generated protocol modules are loaded.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def load_protocol_only() -> None:
    """Let `pulumi.runtime.proto` be imported without running the slow `__init__` modules above it."""
    found = importlib.util.find_spec("pulumi")
    if found is None or found.origin is None:
        sys.exit(f"the package `pulumi` is not installed for {sys.executable}")
    for name in ("pulumi", "pulumi.runtime", "pulumi.runtime.proto"):
        module = ModuleType(name)
        module.__path__ = [str(Path(found.origin).parent.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = module


def main() -> None:
    """Become the stand-in named by the first argument."""
    name, *arguments = sys.argv[1:]
    sys.argv = [name, *arguments]
    sys.path.append(str(Path(__file__).resolve().parents[1]))  # last: it must not hide what plugins install
    if name != "dynamic":
        load_protocol_only()
    module = {
        "language-host": "rehearsal.language_host.host",
        "dynamic": "rehearsal.language_host.dynamic",
        "kubernetes": "rehearsal.kubernetes_provider.server",
    }.get(name, "rehearsal.cloud_provider.server")
    importlib.import_module(module).main()


if __name__ == "__main__":
    main()
