// A loop whose results do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <functional>

namespace mom::codecs {

// Calls body(0) ... body(count - 1) without gradients, each with one intra-op thread, so that its sums are
// made in one order on any machine setting; as many bodies run at once as torch has threads. The first
// exception is thrown here.
void for_each_alone(int64_t count, const std::function<void(int64_t)>& body);

}  // namespace mom::codecs
