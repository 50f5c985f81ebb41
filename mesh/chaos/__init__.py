"""Breaks the platform on purpose and holds it to its contracts: experiments, faults, judgement, report."""
