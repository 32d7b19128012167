"""Define the contract: events, records, topics, and how they are encoded."""
