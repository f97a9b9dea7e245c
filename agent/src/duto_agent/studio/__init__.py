"""The wire to the studio: its HTTP client, the exchange of reports and work, shipments of growing files, bytes of steps.

Everything above reports through it. It decides nothing about steps: what a report means is its sender's affair.
"""
