// Large tensors are freed and allocated again many times a step. glibc would hand their pages back to the
// kernel each time, and faulting them in again costs two to four times the work itself on virtual machines.
#pragma once

namespace mom {

// Keeps freed memory in the process. Call once at the start of main, before threads exist.
void keep_heap();

}  // namespace mom
