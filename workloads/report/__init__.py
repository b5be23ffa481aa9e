"""Everything that is told about a run, rendered from one result.json: files, terminal, comparison, final report."""

from .files import save, write
from .html import report as as_page
from .markdown import report as as_markdown
from .model import SCHEMA, Document, ReportError, Run, from_json, measured, read
from .results import Record, attachments, digest, document, machine, restored
from .terminal import table

__all__ = [
    "SCHEMA", "Document", "Record", "ReportError", "Run", "as_markdown", "as_page", "attachments", "digest", "document",
    "from_json", "machine", "measured", "read", "restored", "save", "table", "write",
]  # fmt: skip
