"""Drawing and summarising networks."""
