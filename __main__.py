"""Entry point of `pulumi up`: everything is in `stacks.program`."""

from stacks.program import main

main()
