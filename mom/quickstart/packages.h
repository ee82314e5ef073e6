// Files of Debian packages, below the folder the packages were unpacked into ("/" when they are installed).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"

namespace mom::quickstart {

class Packages {
 public:
  // Empty `root`: the environment's MOM_PACKAGES, else "/".
  explicit Packages(Path root = {});
  const Path& root() const { return root_; }
  // InputError naming the package and the command that installs it, when the file is not there.
  Path file(std::string_view relative, std::string_view package) const;
  // The same for a folder.
  Path folder(std::string_view relative, std::string_view package) const;
  // Files of a folder whose names end with one of `endings`, by name; same error when there are none.
  std::vector<Path> files(std::string_view relative_folder, const std::vector<std::string>& endings,
                          std::string_view package) const;

 private:
  Path root_;
};

}  // namespace mom::quickstart
