"""From a transcript with speakers to a conversation with roles, and which side of the split it is on."""
