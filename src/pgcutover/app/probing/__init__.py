"""First contact with real accounts: each numbered assumption is looked at on things made for it."""
