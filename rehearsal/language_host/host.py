"""The gRPC service `LanguageRuntime`: runs Python programs, policy packs and plugins for the engine.

The engine starts `pulumi-language-python [flags] ENGINE_ADDRESS`, reads a port number from its stdout and then talks
gRPC. What is left out answers UNIMPLEMENTED; rehearsal/README.md lists it.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2 as pb
from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2

from rehearsal.language_host.children import Child, in_background, output, stop
from rehearsal.language_host.interpreter import Interpreter
from rehearsal.language_host.policy import PolicyProxy
from rehearsal.serving import serve

EXECUTOR = Path(__file__).resolve().with_name("executor.py")
ALREADY_REPORTED = 32  # exit status of the executor after it has shown the error to the user
NOTICE = "stand-in for the official Python language host: see rehearsal/README.md"


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The service, each method in many threads at once."""

    def __init__(self, engine: str) -> None:
        self.children: list[Child] = []
        self._engine = engine

    def _start(self, context: Any, python: Interpreter, *arguments: str | Path, piped: bool, **how: Any) -> Child:
        """Start the interpreter with `arguments`; it is stopped when the caller of the RPC goes away."""
        if not Path(python.executable).exists():
            message = f"the runtime option `virtualenv` names {python.venv}, which is not a virtual environment"
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, message)
        pipe = subprocess.PIPE if piped else None
        command = [python.executable, *map(str, arguments)]
        child = Child(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, **how)
        self.children.append(child)
        if not context.add_callback(lambda: in_background(stop, child)):  # the caller has gone already
            stop(child)
        return child

    def Handshake(self, request: Any, context: Any) -> pb.LanguageHandshakeResponse:  # noqa: ARG002
        """Learn the engine's address: it attaches to a host that was started by hand."""
        self._engine = request.engine_address
        return pb.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:  # noqa: ARG002
        """Claim the version of the installed SDK."""
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def About(self, request: Any, context: Any) -> pb.AboutResponse:  # noqa: ARG002
        """Name the interpreter."""
        python = Interpreter.of(request.info)
        version = subprocess.check_output([python.executable, "--version"], text=True).split()[-1]
        return pb.AboutResponse(executable=python.executable, version=version)

    def GetRequiredPackages(self, request: Any, context: Any) -> pb.GetRequiredPackagesResponse:  # noqa: ARG002
        """Name the plugins of installed packages."""
        found = [
            plugin_pb2.PackageDependency(
                kind="resource", name=plugin.name, version=plugin.version, server=plugin.server
            )
            for plugin in Interpreter.of(request.info).required_plugins()
        ]
        return pb.GetRequiredPackagesResponse(packages=found)

    def GetRequiredPlugins(self, request: Any, context: Any) -> pb.GetRequiredPluginsResponse:  # noqa: ARG002
        """Name the plugins of installed packages, for older engines."""
        found = [
            plugin_pb2.PluginDependency(kind="resource", name=plugin.name, version=plugin.version, server=plugin.server)
            for plugin in Interpreter.of(request.info).required_plugins()
        ]
        return pb.GetRequiredPluginsResponse(plugins=found)

    def GetProgramDependencies(self, request: Any, context: Any) -> pb.GetProgramDependenciesResponse:  # noqa: ARG002
        """Name everything that is installed."""
        installed = importlib.metadata.distributions(path=Interpreter.of(request.info).search_path())
        found = [pb.DependencyInfo(name=item.name, version=item.version) for item in installed]
        return pb.GetProgramDependenciesResponse(dependencies=found)

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> pb.RuntimeOptionsResponse:  # noqa: ARG002
        """Ask nothing."""
        return pb.RuntimeOptionsResponse()

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[pb.InstallDependenciesResponse]:
        """Verify, offline, that what requirements.txt asks for is installed: only ready environments are supported."""
        requirements = Path(request.info.program_directory, "requirements.txt")
        pip = ["-m", "pip", "install", "--dry-run", "--no-index", "-q", "-r", str(requirements)]
        arguments = pip if requirements.exists() else ["--version"]
        child = self._start(context, Interpreter.of(request.info), *arguments, piped=True)
        for name, line in output(child):
            yield pb.InstallDependenciesResponse(**{name: line})
        if child.wait() != 0:
            context.abort(grpc.StatusCode.UNKNOWN, "the environment lacks what requirements.txt asks for")

    def Run(self, request: Any, context: Any) -> pb.RunResponse:
        """Run a program to its end; what it prints goes to this process's stdout and stderr, thus to the engine."""
        print(NOTICE, file=sys.stderr, flush=True)  # noqa: T201 - the engine shows it as a message of the stack
        python = Interpreter.of(request.info)
        env = python.environment(os.environ)
        env["PULUMI_CONFIG"] = json.dumps(dict(request.config))
        env["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
        names = ("project", "stack", "organization", "parallel")
        settings = {name: getattr(request, name) for name in names} | {"root_directory": request.info.root_directory}
        settings |= {"monitor": request.monitor_address, "engine": self._engine, "dry_run": request.dryRun}
        arguments = ["-u", EXECUTOR, json.dumps(settings), request.info.entry_point, *request.args]
        status = self._start(context, python, *arguments, piped=False, cwd=request.pwd, env=env).wait()
        if status in (0, ALREADY_REPORTED):
            return pb.RunResponse(bail=status == ALREADY_REPORTED)
        how = f"exited with non-zero exit code: {status}" if status > 0 else f"was ended by signal {-status}"
        return pb.RunResponse(error=f"program {how}")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[pb.RunPluginResponse]:
        """Run a policy pack or another plugin and stream what it prints, and finally its exit status."""
        python, directory, proxy = Interpreter.of(request.info), request.info.program_directory, None
        env = python.environment(dict(item.split("=", 1) for item in request.env))
        arguments, cwd = ["-u", directory, *request.args], request.pwd
        if request.kind == "analyzer":
            arguments, cwd = ["-u", "-m", "pulumi.policy", *request.args, directory], directory
            proxy = PolicyProxy()
            context.add_callback(proxy.close)
            yield pb.RunPluginResponse(stdout=b"%d\n" % proxy.port)
            env |= proxy.environment()
        child = self._start(context, python, *arguments, piped=True, cwd=cwd, env=env)
        for name, line in output(child):
            if proxy is not None and name == "stdout" and not proxy.attached:
                proxy.attach(line)
            else:
                yield pb.RunPluginResponse(stdout=line) if name == "stdout" else pb.RunPluginResponse(stderr=line)
        yield pb.RunPluginResponse(exitcode=child.wait())

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: ARG002
        """Stop the children, without waiting: the engine waits for the answer before it stops everything else."""
        in_background(stop, *self.children)
        return empty_pb2.Empty()


def main() -> None:
    """Serve until the engine ends this process, or ends itself."""
    address = sys.argv[-1] if len(sys.argv) > 1 and not sys.argv[-1].startswith("-") else ""  # flags come first
    host = LanguageHost(address)

    def register(server: grpc.Server) -> None:
        language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)

    serve(address, register, lambda: stop(*host.children))
