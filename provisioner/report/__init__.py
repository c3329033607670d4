"""An Audit, a Plan or Outcomes for people and for other programs: one file a form.

Nothing here judges: which gateways are ready, and the causes of what is open, are passed in.
"""
