// One process at a time: flock on a file that says who holds it. The system lets go of it however its holder ends, so
// that a file left behind by a killed process stops nobody; a holder that ends well removes it.
#pragma once

#include <chrono>
#include <string>

#include "mom/base/files.h"

namespace mom {

class Lock {
 public:
  struct Terms {
    std::string otherwise;  // what to do instead of waiting: "train into another folder with --run"
    std::chrono::milliseconds wait = {};  // for a holder that is about to end
    bool inherited = false;               // children hold it too: it is free when the last of them is gone
  };
  // Of a folder that is worked in: FOLDER/lock. The folder is made, and removed where nothing else
  // came into it.
  static Lock of_folder(const Path& folder, const Terms& terms) { return {folder, folder / "lock", terms}; }
  // Of a file or folder that will be published: .NAME.lock beside it. The folders above it are made.
  static Lock of_output(const Path& target, const Terms& terms);
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  // UserError where the lock file is no longer ours: what it protects was removed or replaced meanwhile.
  void check() const;

 private:
  // UserError: another process holds it, by its id and host. A file system without locks: a warning.
  Lock(const Path& what, Path file, const Terms& terms);
  bool try_take();
  bool is_ours() const;
  std::string holder() const;

  Path what_, file_;
  bool inherited_, made_folder_ = false;
  int fd_ = -1;
};

}  // namespace mom
