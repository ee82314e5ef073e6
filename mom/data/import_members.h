// The files of one folder or tar by name, read one at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mom/base/files.h"

namespace mom::data {

class Members {
 public:
  virtual ~Members() = default;
  // In the order of the tar, or sorted. Hidden files are left out.
  const std::vector<std::string>& names() const { return names_; }
  bool contains(std::string_view name) const { return position_of(name) < names_.size(); }
  virtual std::string read(const std::string& name) const = 0;
  // "FOLDER/a/b.png", "FILE.tar: a/b.png"
  virtual std::string place(std::string_view name) const = 0;

 protected:
  void add_name(std::string name);
  size_t position_of(std::string_view name) const;  // names_.size() when there is no such file

 private:
  std::vector<std::string> names_;
  std::map<std::string, size_t, std::less<>> positions_;
};

std::unique_ptr<Members> folder_members(const Path& folder);
// A damaged tar: `on_damage` gets the message and what came before the damage stays usable; or it throws itself.
std::unique_ptr<Members> tar_members(const Path& tar,
                                     const std::function<void(const std::string&)>& on_damage);

bool is_tar_name(std::string_view name);
// KEY and the rest behind the first dot of the base name, in lower case: "a/b.0.PNG" -> {"a/b", "0.png"}.
std::pair<std::string, std::string> split_name(std::string_view name);

}  // namespace mom::data
