// What the live pages show (docs/formats/page.md): the runs and studies below a folder while they train, and the PAGE
// about chosen ones.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::report {

// Reads files only, those that changed since the last call. Calls may come from several threads.
class LiveRuns {
 public:
  explicit LiveRuns(Path root) : root_(std::move(root)) {}

  OrderedJson list();  // RUNS
  // The page about these runs, or about one study, by the ids of list(). UserError for ids that are not in it: no path
  // from outside is opened.
  OrderedJson page(const std::vector<std::string>& ids);

 private:
  struct Known {
    std::string stamp;  // of metrics.jsonl and the lock
    OrderedJson summary;
  };
  std::vector<Path> find(bool studies) const;
  OrderedJson summary_of(const Path& run);

  const Path root_;
  std::mutex mutex_;
  std::map<std::string, Known> known_;  // by id
};

}  // namespace mom::report
