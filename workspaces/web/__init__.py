"""The pages of sign-in, people, tokens and the audit, and the decorators and responses that all pages share.

Browsers call it. It calls services and holds no rule of its own.
"""
