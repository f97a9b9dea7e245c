"""REST of rules, channels, mutes and deliveries.

Programs call it.
"""
