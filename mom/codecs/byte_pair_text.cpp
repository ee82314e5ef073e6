#include "mom/codecs/byte_pair_text.h"

namespace mom::codecs {

std::vector<int32_t> BytePairText::encode(std::string_view text) const {
  std::vector<int32_t> ids = tokenizer_.encode(text);
  for (int32_t& id : ids) id += first_id_;
  return ids;
}

const std::string& BytePairText::bytes_of(int32_t id) const {
  static const std::string nothing;
  return id < first_id_ ? nothing : tokenizer_.bytes_of(id - first_id_);
}

std::string BytePairText::piece(int32_t id) const {
  return id < first_id_ ? "<control " + std::to_string(id) + ">" : tokenizer_.piece(id - first_id_);
}

}  // namespace mom::codecs
