"""The pages of runs and of all that is drawn with them: home, experiments, pipelines, workspaces, the studio.

Browsers call it. It asks queries and calls services; nothing here changes a row by itself.
"""
