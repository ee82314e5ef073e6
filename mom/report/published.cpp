#include "mom/report/published.h"

namespace mom::report {

const std::vector<Published>& published() {
  static const std::vector<Published> all = {
      {"transfusion", "image", "1.4B", 0.2138, 0.0220, 0.3476, ""},
      {"transfusion", "text", "1.4B", std::nullopt, std::nullopt, std::nullopt, "similar"},
      {"transfusion", "overall", "1.4B", std::nullopt, 0.0084, 0.8310, ""},
      {"chameleon", "image", "1.5B", 5.0591, 0.0251, 0.4250, ""},
      {"chameleon", "text", "1.5B", 2.1614, 0.0301, 0.6540, ""},
      {"three_modality", "speech", "1.5B", std::nullopt, 0.0575, 0.2480, ""}};
  return all;
}

}  // namespace mom::report
