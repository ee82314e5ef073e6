// Folders: which files are below one, and the sources that are among them.
#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "mom/base/utf8.h"
#include "mom/data/import_names.h"
#include "mom/data/import_run.h"

namespace mom::data {
namespace {

class FolderMembers : public Members {
 public:
  FolderMembers(const Path& folder, const Path& out) : folder_(folder) {
    std::error_code ignored;
    out_ = std::filesystem::weakly_canonical(std::filesystem::absolute(out), ignored);
    if (!out_.has_filename()) out_ = out_.parent_path();
    struct stat status;
    if (::stat(folder.c_str(), &status) == 0) visit(status);
    walk("");
    // Links last, so that a folder that is here anyway goes by its own name.
    while (!links_.empty()) {
      std::sort(links_.begin(), links_.end(), std::greater<>());
      const std::string name = std::move(links_.back());
      links_.pop_back();
      if (::stat((folder_ / name).c_str(), &status) == 0 && visit(status)) {
        walk(name + "/");
      } else {
        Members::leave_out(data::left_out(Reason::kFolderLink, place(name)));
      }
    }
    std::sort(found_.begin(), found_.end());
    for (std::string& name : found_) add_name(std::move(name));
  }
  KeyRule key_rule() const override { return KeyRule::kLastDot; }
  std::string read(const std::string& name, uint64_t max_bytes) const override {
    return read_file(folder_ / name, max_bytes);
  }
  std::string place() const override { return printable(folder_.string()); }
  std::string place(std::string_view name) const override { return printable((folder_ / name).string()); }

 private:
  // False when it has been visited.
  bool visit(const struct stat& status) { return visited_.insert({status.st_dev, status.st_ino}).second; }

  void walk(const std::string& prefix) {
    const Path folder = folder_ / prefix;
    std::vector<std::string> entries;
    if (!list(folder, entries)) {
      Members::leave_out({Reason::kUnreadFolder, printable(folder.string()),
                          printable(folder.string()) + ": cannot be listed: " + std::strerror(errno)});
      return;
    }
    std::error_code ignored;
    const bool is_outs = std::filesystem::weakly_canonical(folder, ignored) == out_.parent_path();
    for (const std::string& entry : entries) {
      const std::string out_name = out_.filename().string();
      if (is_outs && (entry == out_name || entry.starts_with("." + out_name + "."))) continue;
      add(prefix + entry);
    }
  }

  static bool list(const Path& folder, std::vector<std::string>& entries) {
    DIR* directory = ::opendir(folder.c_str());
    if (directory == nullptr) return false;
    errno = 0;
    while (const dirent* entry = ::readdir(directory))
      if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
        entries.emplace_back(entry->d_name);
    const int error = errno;
    ::closedir(directory);
    errno = error;
    std::sort(entries.begin(), entries.end());
    return error == 0;
  }

  void add(const std::string& name) {
    if (is_hidden(name)) return Members::leave_out(data::left_out(Reason::kHidden, place(name)));
    struct stat link, status;
    const Path path = folder_ / name;
    const bool is_link = ::lstat(path.c_str(), &link) == 0 && S_ISLNK(link.st_mode);
    if (::stat(path.c_str(), &status) != 0)
      return Members::leave_out({Reason::kDeadLink, place(name),
                                 place(name) + ": " + (is_link ? "a link to nothing" : "cannot be read") +
                                     " (" + std::strerror(errno) + "); bring its target, or remove it"});
    if (S_ISREG(status.st_mode)) {
      found_.push_back(name);
    } else if (!S_ISDIR(status.st_mode)) {
      Members::leave_out(data::left_out(Reason::kSpecial, place(name)));
    } else if (is_link) {
      links_.push_back(name);
    } else if (visit(status)) {
      walk(name + "/");
    } else {
      Members::leave_out(data::left_out(Reason::kFolderLink, place(name)));
    }
  }

  Path folder_, out_;
  std::vector<std::string> found_, links_;  // links: to folders
  std::set<std::pair<dev_t, ino_t>> visited_;
};

}  // namespace

std::unique_ptr<Members> folder_members(const Path& folder, const Path& out) {
  return std::make_unique<FolderMembers>(folder, out);
}

void import_folder(ImportRun& run, const Path& folder, const std::string& prefix) {
  const auto members = folder_members(folder, run.options().out);
  if (members->names().empty() && members->left_out().empty()) {
    const std::string place = members->place();
    return run.leave_out(
        {Reason::kUnusable, place,
         format_error({place, "a folder with files", "an empty one", "give a folder with samples"})});
  }
  run.leave_out(members->left_out());
  std::set<std::string> used;
  for (const std::string& name : members->names()) {
    const std::string stem = prefix + printable(without_ending(name));
    if (is_tar_name(name)) import_tar(run, folder / name, stem + "/");
    if (!is_json_lines_name(name)) continue;
    for (const std::string& media : import_json_lines(run, folder / name, stem))
      used.insert((Path(name).parent_path() / media).lexically_normal().generic_string());
  }
  import_members(run, *members, prefix, std::move(used));
}

}  // namespace mom::data
