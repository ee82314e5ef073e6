// The models of a server, each with an engine of its own on the same processors.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mom/serve/worker.h"

namespace mom::serve {

class Workers {
 public:
  // Begins to load all of them. UserError: two of one name.
  explicit Workers(const std::vector<WorkerOptions>& options);

  // Ready when all are; failed when one is.
  Worker::State state() const;
  const Worker& failed() const;  // the first one that is
  const std::vector<std::unique_ptr<Worker>>& all() const { return workers_; }
  // Of those that are ready, the one of this name; without a name the first. ApiError 404: there is none.
  Worker& named(const std::optional<std::string>& name) const;
  std::string names() const;  // "a, b"

 private:
  std::vector<std::unique_ptr<Worker>> workers_;
};

// What clients call the model of `options`.
std::string model_name(const WorkerOptions& options);

}  // namespace mom::serve
