"""What pages, REST and services ask about runs. Nothing here changes a row."""
