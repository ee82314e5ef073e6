// The files of one folder or tar by name, read one at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"
#include "mom/data/import_account.h"

namespace mom::data {

// Where the key of a sample ends in a base name: WebDataset's rule for tars, and people's for folders.
enum class KeyRule { kFirstDot, kLastDot };

class Members {
 public:
  virtual ~Members() = default;
  // In the order of the tar, or sorted. Bytes: a name need not be UTF-8.
  const std::vector<std::string>& names() const { return names_; }
  // What was found and is not a member: hidden files, dead links, the rest of a damaged tar, ...
  const std::vector<LeftOut>& left_out() const { return left_out_; }
  bool contains(std::string_view name) const { return position_of(name) < names_.size(); }
  virtual KeyRule key_rule() const = 0;
  // InputError when it cannot be read, or is longer.
  virtual std::string read(const std::string& name, uint64_t max_bytes = kMaxMemberBytes) const = 0;
  virtual std::string place() const = 0;  // of the folder or tar, printable as the others
  // "FOLDER/a/b.png", "FILE.tar: a/b.png"
  virtual std::string place(std::string_view name) const = 0;

 protected:
  static constexpr uint64_t kMaxMemberBytes = uint64_t{16} << 30;
  void add_name(std::string name);
  void leave_out(LeftOut item) { left_out_.push_back(std::move(item)); }
  size_t position_of(std::string_view name) const;  // names_.size() when there is no such file

 private:
  std::vector<std::string> names_;
  std::map<std::string, size_t, std::less<>> positions_;
  std::vector<LeftOut> left_out_;
};

// Links to files and to folders are followed, each folder is read once. `out` is passed over, as is what is made beside it
// while it is written.
std::unique_ptr<Members> folder_members(const Path& folder, const Path& out);
// Hard and symbolic links have the content of what they name. Of a damaged tar, what comes before the damage is usable.
std::unique_ptr<Members> tar_members(const Path& tar);

bool is_hidden(std::string_view name);

}  // namespace mom::data
