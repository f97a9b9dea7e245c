"""What changes runs, in six packages by flow: imports go maintenance → submission → agent_reports → orchestration →
scheduling → results.

Pages, REST, agents' calls, tasks and the ticker call it. Nothing here knows of a request.
"""
