"""Runs one Pulumi program: `executor.py SETTINGS_JSON PROGRAM [ARGUMENT...]`, in the program's own interpreter.

SETTINGS_JSON holds the arguments of `pulumi.runtime.Settings`; configuration arrives in PULUMI_CONFIG and
PULUMI_CONFIG_SECRET_KEYS. Imports nothing of this repository: the program's environment need not know it.
"""

import asyncio
import json
import logging
import os
import runpy
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Optional

if sys.path and Path(sys.path[0]).resolve() == Path(__file__).resolve().parent:
    del sys.path[0]  # a program's `import host` must not find the module beside this one

try:
    import pulumi
    import pulumi.runtime
except ImportError:
    traceback.print_exc()
    sys.exit(f"The package `pulumi` cannot be imported by {sys.executable}: is it installed there?")

ALREADY_REPORTED = 32  # tells the language host that the user has seen the error
CANCELLED = 130


def user_traceback(error: Exception, main_file: Path) -> str:
    """The traceback of an error, without the frames before the first one of the user's program."""
    trace: Optional[TracebackType] = error.__traceback__  # noqa: UP045 - programs may run in an older Python
    while trace is not None and Path(trace.tb_frame.f_code.co_filename).absolute() != main_file:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))


def interrupt(*_: object) -> None:
    """Let the program tidy up: host and engine both send SIGINT, and the second would cut `finally` short."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def leave() -> None:
    """End at once: the engine has cancelled the operation."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(CANCELLED)


def main(settings_json: str, program: str) -> int:
    """Run a program (a file, or a directory with a __main__.py) to its end and return the exit status."""
    settings = pulumi.runtime.Settings(**json.loads(settings_json))
    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    pulumi.runtime.configure(settings)
    main_file = Path(os.path.normpath(Path(program).absolute()))
    main_file = main_file / "__main__.py" if main_file.is_dir() else main_file
    if not main_file.is_file():
        pulumi.log.error(f"unable to find the main Python program `{main_file}`")
        return ALREADY_REPORTED

    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # after a failure, futures are left pending on purpose
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    parallel: int = json.loads(settings_json).get("parallel") or 1
    threads = ThreadPoolExecutor(4 * max(1, parallel))  # the SDK makes blocking calls in the default pool
    loop.set_default_executor(threads)

    signal.signal(signal.SIGINT, interrupt)

    def run_program() -> None:
        try:
            runpy.run_path(program, run_name="__main__")
        except KeyboardInterrupt:  # the SDK would still wait for calls that the engine does not answer any more
            leave()

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(run_program))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    except Exception as error:  # noqa: BLE001 - whatever a program raises is shown as the program's failure
        pulumi.log.error("Program failed with an unhandled exception:\n" + user_traceback(error, main_file))
        return ALREADY_REPORTED
    except KeyboardInterrupt:
        leave()
    finally:
        threads.shutdown()
        loop.close()
    return 0


if __name__ == "__main__":
    _, settings_argument, *sys.argv = sys.argv
    sys.exit(main(settings_argument, sys.argv[0]))
