"""Evidence, policy and date -> findings: facts, the controls held against them, and what needs the whole practice."""
