"""Nouns: how the things that are worked on are reached."""
