"""Load on an OpenAI-compatible server: Conclave's, or llama.cpp's."""
