"""Training: modules, optimisers, schedules, initialisers, metrics, callbacks."""
