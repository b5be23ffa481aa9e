"""The stand-in for the language host runs what users write, with the real engine."""

from __future__ import annotations

import os
import signal
import site
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cluster import eventually
from tests.support.engine import Project

pytestmark = pytest.mark.engine
Projects = Callable[..., Project]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_program_sees_its_configuration_and_exports_outputs(project: Projects) -> None:
    tiny = project()
    tiny.write(
        """
        import helper  # a module beside the program
        import host, executor  # the program's own modules, not those of the language host
        import pulumi

        config = pulumi.Config()
        secret = config.require_secret("password")
        pulumi.export("greeting", helper.greet(config.require("who")))
        pulumi.export("shape", config.require_object("shape"))
        pulumi.export("secret", secret.apply(lambda text: text.upper()))
        pulumi.export("preview", pulumi.runtime.is_dry_run())
        pulumi.export("names", [pulumi.get_project(), pulumi.get_stack(), host.NAME, executor.NAME])
        print("a line on stdout")
        """
    )
    tiny.write("def greet(who):\n    return f'hello {who}'\n", "helper.py")
    tiny.write("NAME = 'own host'\n", "host.py")
    tiny.write("NAME = 'own executor'\n", "executor.py")
    tiny.pulumi("config", "set", "who", "world").ok()
    tiny.pulumi("config", "set", "--path", "shape.sides[0]", "3").ok()
    tiny.pulumi("config", "set", "--secret", "password", "hunter2hunter2").ok()

    planned = tiny.preview().ok()
    assert planned.changes == {"create": 1}
    assert "a line on stdout" in planned.text
    assert any("stand-in for the official Python language host" in text for text in planned.diagnostics)

    done = tiny.up().ok()
    assert tiny.outputs() == {
        "greeting": "hello world",
        "shape": {"sides": [3]},
        "secret": "HUNTER2HUNTER2",
        "preview": False,
        "names": ["tiny", "dev", "own host", "own executor"],
    }
    assert "HUNTER2HUNTER2" not in done.text + tiny.state_text()
    assert "hunter2hunter2" not in done.text + tiny.state_text()


def test_a_failing_program_says_why_and_nothing_else(project: Projects) -> None:
    tiny = project()
    tiny.write('import pulumi\nraise pulumi.RunError("the quota of team-a is negative")\n')
    refused = tiny.preview().failed()
    assert "the quota of team-a is negative" in refused.errors
    assert "Traceback" not in refused.text

    tiny.write("def inner():\n    return {}['absent']\n\ninner()\n")
    broken = tiny.preview().failed()
    assert "KeyError: 'absent'" in broken.errors
    assert "in inner" in broken.errors
    assert "runpy" not in broken.errors

    tiny.write("import sys\nsys.exit(7)\n")
    assert "program exited with non-zero exit code: 7" in tiny.preview().failed().text

    tiny.write("import sys\nsys.exit(0)\n")
    tiny.preview().ok()


def test_a_program_runs_in_the_virtual_environment_that_pulumi_yaml_names(project: Projects) -> None:
    tiny = project(runtime={"virtualenv": ".venv"})
    tiny.write("import pulumi, sys\npulumi.export('prefix', sys.prefix)\n")
    lacking = tiny.preview().failed()
    assert f"{tiny.program / '.venv'}, which is not a virtual environment" in lacking.text

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tiny.program / ".venv"], check=True)
    (packages,) = (tiny.program / ".venv").glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    tiny.up().ok()
    assert tiny.outputs() == {"prefix": str(tiny.program / ".venv")}


def test_dynamic_resources_live_and_die(project: Projects) -> None:
    tiny = project()
    program = """
        from pathlib import Path

        import pulumi
        from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult


        class Files(ResourceProvider):
            def create(self, props):
                Path(props["path"]).write_text(props["text"])
                return CreateResult(props["path"], props)

            def diff(self, _id, old, new):
                return DiffResult(changes=old["text"] != new["text"])

            def update(self, _id, _old, new):
                Path(new["path"]).write_text(new["text"])
                return UpdateResult(new)

            def delete(self, _id, props):
                Path(props["path"]).unlink()


        class File(Resource):
            def __init__(self, name, path, text):
                super().__init__(Files(), name, {"path": path, "text": text})


        File("note", "made.txt", "TEXT")
        """
    made = tiny.program / "made.txt"
    tiny.write(program.replace("TEXT", "one"))
    assert tiny.up().ok().changes == {"create": 2}
    assert made.read_text(encoding="utf-8") == "one"
    assert tiny.preview("--expect-no-changes").ok().changes == {"same": 2}

    tiny.write(program.replace("TEXT", "two"))
    assert tiny.up().ok().changes == {"same": 1, "update": 1}
    assert made.read_text(encoding="utf-8") == "two"

    tiny.operate("destroy").ok()
    assert not made.exists()


def test_a_policy_pack_with_its_configuration_stops_a_program(project: Projects) -> None:
    tiny = project()
    tiny.write("import pulumi\npulumi.ComponentResource('proof:test:Thing', 'thing', {'size': 5})\n")
    tiny.write({"runtime": "python"}, "pack/PulumiPolicy.yaml")
    tiny.write(
        """
        from pulumi_policy import EnforcementLevel, PolicyConfigSchema, PolicyPack, ResourceValidationPolicy


        def check(args, report):
            most = args.get_config()["most"]
            if args.resource_type == "proof:test:Thing" and args.props["size"] > most:
                report(f"{args.name} is larger than {most}")


        schema = PolicyConfigSchema(properties={"most": {"type": "number", "default": 9}})
        PolicyPack(
            name="sizes",
            enforcement_level=EnforcementLevel.MANDATORY,
            policies=[ResourceValidationPolicy("size", "things are small", check, config_schema=schema)],
        )
        """,
        "pack/__main__.py",
    )
    pack = ("--policy-pack", str(tiny.program / "pack"))
    tiny.preview(*pack).ok()

    tiny.write({"size": {"most": 4}}, "limits.json")
    stopped = tiny.preview(*pack, "--policy-pack-config", str(tiny.program / "limits.json")).failed()
    assert "thing is larger than 4" in stopped.text


ENDLESS = """
    import os
    import time
    from pathlib import Path

    Path("pids").write_text(f"{os.getpid()} {os.getppid()}")
    try:
        time.sleep(600)
    finally:
        Path("tidied").touch()
    """


def test_cancelling_ends_program_and_host_in_order(project: Projects) -> None:
    tiny = project()
    tiny.write(ENDLESS)
    pids = tiny.program / "pids"
    with tiny.start("preview") as engine:
        eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the program to run")
        engine.send_signal(signal.SIGINT)
        text, _ = engine.communicate(timeout=4)  # after 5 s the engine would kill what is left
    assert engine.returncode != 0
    assert "Traceback" not in text
    assert (tiny.program / "tidied").exists()
    assert not any(alive(int(pid)) for pid in pids.read_text().split())


def test_host_and_program_end_when_the_engine_is_killed(project: Projects) -> None:
    tiny = project()
    tiny.write(ENDLESS)
    pids = tiny.program / "pids"
    with tiny.start("preview") as engine:
        eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the program to run")
        os.kill(engine.pid, signal.SIGKILL)
    orphans = [int(pid) for pid in pids.read_text().split()]
    eventually(lambda: not any(alive(pid) for pid in orphans), "host and program to end", 15)
    assert (tiny.program / "tidied").exists()
