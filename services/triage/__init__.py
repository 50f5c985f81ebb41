"""Triage: from plain words to how soon a person should be seen, and why.

It owns conversations about symptoms, the knowledge base they are read against (findings, red flags,
considerations, each with its source) and the assessments that follow. It refuses to own the chart
(records does; triage sees only a frozen view of it and works without), the calendar (scheduling
offers the slots) and the diagnosis: it is decision support, it says so in every assessment, and a
doubt about a red flag is asked about or escalated, never dropped.
"""
