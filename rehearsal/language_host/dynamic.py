"""Provider plugin for `pulumi.dynamic` resources: becomes `python -u -m pulumi.dynamic [ARGUMENT...]`.

The engine passes the runtime options of Pulumi.yaml as PULUMI_RUNTIME_<OPTION> and starts the plugin in the program's
folder; without the option `virtualenv` this interpreter is used.
"""

import os
import signal
import sys
from pathlib import Path


def main() -> None:
    """Replace this process by the SDK's own provider, in the program's interpreter."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the engine ends plugins with it; a shell's `&` makes it ignored
    python = sys.executable
    option = os.environ.get("PULUMI_RUNTIME_VIRTUALENV")
    if option:
        folder = Path(option).absolute()
        os.environ["PATH"] = str(folder / "bin") + os.pathsep + os.environ.get("PATH", os.defpath)
        os.environ.pop("PYTHONHOME", None)
        python = str(folder / "bin" / "python")
        if not Path(python).exists():
            sys.exit(f"the runtime option `virtualenv` names {folder}, which is not a virtual environment")
    os.execv(python, [python, "-u", "-m", "pulumi.dynamic", *sys.argv[1:]])  # noqa: S606 - a list, no shell wanted


if __name__ == "__main__":
    main()
