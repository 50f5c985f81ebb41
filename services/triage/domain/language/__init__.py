"""Plain words to symptoms: what a message mentions, and what it asserts of it."""
