// Merges concepts that turn out to be the same, so that no split separates them.
#pragma once

#include <string>
#include <unordered_map>

namespace mom::quickstart {

class ConceptMerger {
 public:
  // The representative of `name`: the first of all merged with it.
  std::string find(const std::string& name) {
    auto [entry, added] = parent_.try_emplace(name, name);
    if (added || entry->second == name) return name;
    std::string root = find(entry->second);
    parent_[name] = root;
    return root;
  }
  // `first` came earlier in the list and stays.
  void merge(const std::string& first, const std::string& second) { parent_[find(second)] = find(first); }
  // Merges `name` with the one that had the same `trait` (an image, a caption) before.
  void merge_by(const std::string& trait, const std::string& name) {
    auto [same, added] = by_trait_.try_emplace(trait, name);
    if (!added) merge(same->second, name);
  }

 private:
  std::unordered_map<std::string, std::string> parent_, by_trait_;
};

}  // namespace mom::quickstart
