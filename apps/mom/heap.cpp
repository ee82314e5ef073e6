// The program's allocator is jemalloc. Large tensors are freed and allocated again many times a step, in
// sizes that change with the batch: glibc hands their pages back to the kernel, and faulting them in again
// costs two to four times the work itself on virtual machines; kept, its heap falls to pieces and grows from
// step to step (docs/LOG.md).

// Freed memory stays in the process. jemalloc reads this when it starts.
extern "C" {
extern const char* malloc_conf;  // NOLINT: the name is jemalloc's
const char* malloc_conf = "dirty_decay_ms:-1,muzzy_decay_ms:-1";
}
