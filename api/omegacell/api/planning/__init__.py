"""Plans and explanations at the edge: their values, words and messages.

What is computed is the business of `omegacell.schedulers` (`planning`, `relaxing`, `explaining`).
"""
