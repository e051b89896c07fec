"""The log reader: from bytes that grow to findings with a count. See docs/explanation/logs.md."""
