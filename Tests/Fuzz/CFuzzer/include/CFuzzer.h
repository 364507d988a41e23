#pragma once
#include <stddef.h>
#include <stdint.h>

/// The engine of libFuzzer, which `-sanitize=fuzzer` links.
int LLVMFuzzerRunDriver(int *argc, char ***argv,
                        int (*run)(const uint8_t *data, size_t size));
