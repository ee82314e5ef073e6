#include "mom/serve/workers.h"

#include <set>

#include "mom/base/error.h"
#include "mom/base/utf8.h"
#include "mom/serve/fields.h"

namespace mom::serve {

std::string model_name(const WorkerOptions& options) {
  if (!options.model_id.empty()) return options.model_id;
  const Path run =
      std::filesystem::absolute(options.run).lexically_normal();  // of ".", and with a slash behind, too
  return (run.has_filename() ? run : run.parent_path()).filename().string();
}

Workers::Workers(const std::vector<WorkerOptions>& options) {
  std::set<std::string> names;
  for (const WorkerOptions& one : options) {
    const std::string name = model_name(one);
    if (name != printable(name))
      throw UserError({"--model-id", "a name in UTF-8 without control characters", printable(name), ""});
    if (!names.insert(name).second)
      throw UserError(
          {"RUN", "models of different names", "two called " + name, "name each: --model-id A --model-id B"});
  }
  for (const WorkerOptions& one : options) workers_.push_back(std::make_unique<Worker>(one));
}

Worker::State Workers::state() const {
  Worker::State all = Worker::State::kReady;
  for (const auto& worker : workers_) {
    const Worker::State state = worker->state();
    if (state == Worker::State::kFailed) return state;
    if (state == Worker::State::kLoading) all = state;
  }
  return all;
}

const Worker& Workers::failed() const {
  for (const auto& worker : workers_)
    if (worker->state() == Worker::State::kFailed) return *worker;
  return *workers_.front();
}

Worker& Workers::named(const std::optional<std::string>& name) const {
  if (!name) return *workers_.front();
  for (const auto& worker : workers_)
    if (worker->card().id == *name) return *worker;
  throw ApiError(404, "model: expected one of " + names() + "; found " + shown(*name), "model",
                 "model_not_found");
}

std::string Workers::names() const {
  std::string names;
  for (const auto& worker : workers_) names += (names.empty() ? "" : ", ") + worker->card().id;
  return names;
}

}  // namespace mom::serve
