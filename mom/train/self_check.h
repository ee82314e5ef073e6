// What `mom doctor` computes to see whether this processor and these libraries compute rightly: small cases of what
// training is made of, each beside a plain version. No torch here.
#pragma once

#include <string>
#include <vector>

namespace mom::train {

struct SelfCheck {
  std::string name;
  double difference = 0, allowed = 0;                                 // normalised mean square errors
  std::string error = {};                                             // why it did not come to its end
  bool ok() const { return error.empty() && difference <= allowed; }  // NaN is not
};

// A float32 product against loops in double; the selective scan with its gradients against the reference in double; the
// gradients of a training step in bfloat16 against one in float32 by the reference ops, and that its loss falls.
std::vector<SelfCheck> self_checks();

}  // namespace mom::train
