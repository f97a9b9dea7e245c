"""The kernel: errors, ids, clock, paging, storage, the outbox, prepared statements, hooks.

Every app of the studio leans on it, and it leans on none of them: no noun of the product is named here.
"""
