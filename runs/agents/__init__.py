"""The addresses that agents call: the exchange of reports and work, uploads, enrolment.

Only agents call it, with a host's key. It reads what they send with care and calls services of `agent_reports`; it
decides nothing about a run.
"""
