"""Sentences: what people start or schedule, one flow a file."""
