"""What agents and steps tell, and what agents are given: claims with their launch specs, reports of attempts, the spool.

The agents' API calls it. Each report may come twice or too late; what it means for a run is orchestration's affair.
"""
