"""What changes runs, in six packages by flow: imports go maintenance → submission → agent_reports → orchestration →
scheduling → results."""
