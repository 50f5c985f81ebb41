"""What triage keeps: conversations, what was said in them, and what it remembers of the chart."""
