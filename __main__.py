"""Entry point of `pulumi up`: everything is in `stacks.program`."""

import gc

# The process ends with the preview: to look for garbage among the SDKs' objects took a third of its time.
gc.disable()

from stacks.program import main  # noqa: E402 - imports are what makes the objects

main()

# The last collection, at Python's end, leaves out what is frozen.
gc.freeze()
