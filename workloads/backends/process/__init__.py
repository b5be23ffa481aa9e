"""The process backend: real model servers, gateways and monitors as processes of this machine, on loopback only."""
