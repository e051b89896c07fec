"""Verbs: the steps that flows are made of. Each gathers, decides in the core, or acts, once."""
