#include "mom/quickstart/packages.h"

#include <algorithm>
#include <cstdlib>

#include "mom/base/error.h"

namespace mom::quickstart {
namespace {

[[noreturn]] void throw_missing_npm(const Path& path, const std::string& name) {
  throw InputError({.where = path.string(),
                    .expected = "a folder of the npm package " + name,
                    .found = "nothing",
                    .next = "fetch it: scripts/setup --with styles, and pass --packages .deps/packages"});
}

[[noreturn]] void throw_missing(const Path& path, std::string_view package) {
  std::string name(package);
  if (name.starts_with("@")) throw_missing_npm(path, name);
  throw InputError({.where = path.string(),
                    .expected = "a file of the Debian package " + name,
                    .found = "nothing",
                    .next = "install it: apt-get install " + name + " (or unpack it: apt-get download " +
                            name + " && dpkg-deb -x " + name + "_*.deb DIR, and pass --packages DIR)"});
}

}  // namespace

Packages::Packages(Path root) : root_(std::move(root)) {
  if (!root_.empty()) return;
  const char* given = std::getenv("MOM_PACKAGES");
  root_ = given != nullptr && *given != '\0' ? given : "/";
}

Path Packages::file(std::string_view relative, std::string_view package) const {
  Path path = root_ / relative;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) throw_missing(path, package);
  return path;
}

Path Packages::folder(std::string_view relative, std::string_view package) const {
  Path path = root_ / relative;
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) throw_missing(path, package);
  return path;
}

std::vector<Path> Packages::files(std::string_view relative_folder, const std::vector<std::string>& endings,
                                  std::string_view package) const {
  Path folder = root_ / relative_folder;
  std::vector<Path> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    std::string name = entry.path().filename().string();
    bool wanted = std::any_of(endings.begin(), endings.end(),
                              [&](const std::string& ending) { return name.ends_with(ending); });
    if (wanted && entry.is_regular_file(ignored)) found.push_back(entry.path());
  }
  if (found.empty()) throw_missing(folder / ("*" + endings.front()), package);
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace mom::quickstart
