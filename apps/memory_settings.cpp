// Memory that the process keeps between steps.
//
// Freed pages: the program's allocator is jemalloc. Large tensors are freed and allocated again many times per
// step, in sizes that change with the batch: glibc returns their pages to the kernel, and faulting them in
// again costs two to four times the work itself on virtual machines; when it keeps them, its heap fragments and grows
// from step to step (docs/LOG.md).
//
// Products: oneDNN keeps the generated code of its last products, and LibTorch's layer above it their
// descriptions, for when the same shape comes again. The heads' shapes change with every batch, so that 1,024
// of each, as both have it, fill up with shapes that no step uses again: 0.6 GB. A step has about fifty shapes.
#include <cstdlib>

// Freed memory stays in the process. jemalloc reads this when it starts.
extern "C" {
extern const char* malloc_conf;  // NOLINT: the name is jemalloc's
const char* malloc_conf = "dirty_decay_ms:-1,muzzy_decay_ms:-1";
}

namespace {

// Read at the first product. What the user sets stays.
void keep_few_products() {
  constexpr char kProducts[] = "128";
  for (const char* name : {"ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"})
    ::setenv(name, kProducts, /*replace=*/0);
}

[[maybe_unused]] const bool done = (keep_few_products(), true);

}  // namespace
