"""The workspace and its `config.json`.

Everything belongs to a workspace, so this package imports none of the nouns: it reaches them by their public names
(`duto.Datastore`), which load on first use.
"""
