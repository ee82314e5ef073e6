#include "mom/data/import_members.h"

namespace mom::data {

void Members::add_name(std::string name) {
  positions_.emplace(name, names_.size());
  names_.push_back(std::move(name));
}

size_t Members::position_of(std::string_view name) const {
  auto found = positions_.find(name);
  return found == positions_.end() ? names_.size() : found->second;
}

bool is_hidden(std::string_view name) {
  return name.starts_with('.') || name.find("/.") != std::string_view::npos ||
         name.starts_with("__MACOSX/") || name.find("/__MACOSX/") != std::string_view::npos ||
         name == "__MACOSX" || name.ends_with("/__MACOSX");
}

}  // namespace mom::data
