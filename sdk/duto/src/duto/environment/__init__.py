"""Environments: which Python and which packages a script gets, as Azure ML's files and classes say it."""
