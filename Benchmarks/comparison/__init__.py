"""Conclave beside llama.cpp and ik_llama.cpp: same files, same threads, alternating runs."""
