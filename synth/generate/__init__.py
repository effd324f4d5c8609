"""Generation: scenarios are planned, played, guarded, and kept."""
