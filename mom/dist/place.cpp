#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "mom/dist/rendezvous.h"

namespace mom::dist {
namespace {

// The names one launcher has for rank, size and local rank.
struct Launcher {
  const char *rank, *size, *local_rank;
  bool any_one_counts;  // it sets them for its processes only, so that one without the others is a mistake
};
constexpr Launcher kLaunchers[] = {
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", true},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", true},
    // A shell inside an allocation has SLURM_NTASKS too.
    {"SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", false},
};

std::string required(const Environment& environment, const char* name, const char* because) {
  const char* value = environment(name);
  if (value && *value) return value;
  throw UserError({name, std::string("a value, because ") + because + " is set", "none",
                   "start all processes with `mom train --processes N`, torchrun, srun or mpirun, or unset " +
                       std::string(because) + " to train in one process"});
}

int number(const std::string& text, const char* name, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= least && value <= most)
    return value;
  throw UserError(ErrorParts{name,
                             "a whole number from " + std::to_string(least) + " to " + std::to_string(most),
                             "'" + text + "'", ""});
}

const Launcher* launcher_of(const Environment& environment) {
  for (const Launcher& each : kLaunchers)
    if (environment(each.rank) ||
        (each.any_one_counts && (environment(each.size) || environment(each.local_rank))))
      return &each;
  return nullptr;
}

void check_none_is_left(const Environment& environment) {
  for (const char* name : {"MASTER_ADDR", "MASTER_PORT"})
    if (environment(name)) required(environment, "RANK", name);
}

// Other jobs and earlier starts may have left their keys in the same store.
std::string attempt(const Environment& environment, int size) {
  std::string text = "mom/" + std::to_string(size);
  for (const char* name :
       {"TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "SLURM_JOB_ID", "SLURM_STEP_ID"})
    if (const char* value = environment(name)) text += std::string("/") + value;
  return text;
}

}  // namespace

Place place_from_environment(const Environment& environment) {
  Place place;
  const Launcher* launcher = launcher_of(environment);
  if (!launcher) {
    check_none_is_left(environment);
    return place;
  }
  const char* present = environment(launcher->rank)   ? launcher->rank
                        : environment(launcher->size) ? launcher->size
                                                      : launcher->local_rank;
  constexpr int kMost = 1 << 20;
  place.size = number(required(environment, launcher->size, present), launcher->size, 1, kMost);
  place.rank = number(required(environment, launcher->rank, present), launcher->rank, 0, place.size - 1);
  place.local_rank =
      number(required(environment, launcher->local_rank, present), launcher->local_rank, 0, place.size - 1);
  if (place.size == 1 && !environment("MASTER_ADDR") && !environment("MASTER_PORT")) return place;
  place.host = required(environment, "MASTER_ADDR", launcher->rank);
  place.port = number(required(environment, "MASTER_PORT", launcher->rank), "MASTER_PORT", 1, 65535);
  if (const char* open = environment("MOM_DIST_LISTEN_FD"); open && place.rank == 0)
    place.listening = number(open, "MOM_DIST_LISTEN_FD", 3, kMost);
  const char* served = environment("TORCHELASTIC_USE_AGENT_STORE");
  place.served = served && std::strcmp(served, "True") == 0;
  place.attempt = attempt(environment, place.size);
  return place;
}

Place place_from_environment() {
  return place_from_environment([](const char* name) { return std::getenv(name); });
}

std::chrono::milliseconds timeout_from_environment() {
  constexpr const char* kName = "MOM_DIST_TIMEOUT_S";
  const char* text = std::getenv(kName);
  return std::chrono::seconds(text ? number(text, kName, 1, 86400) : 90);
}

}  // namespace mom::dist
