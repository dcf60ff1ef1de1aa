"""Diagnosers: one file per kind of evidence."""
