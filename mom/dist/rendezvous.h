// How processes find each other: from the environment that torchrun, srun, mpirun or `mom train --processes` give them.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "mom/dist/group.h"

namespace mom::dist {

// What the environment says of this process.
struct Place {
  int rank = 0, size = 1, local_rank = 0;
  std::string host;  // where the ranks meet, MASTER_ADDR
  int port = 0;
  int listening =
      -1;  // rank 0: the open file of that port, where the launcher opened it (MOM_DIST_LISTEN_FD)
  bool served = false;  // by the launcher (torchrun's agent): rank 0 does not open the port itself
  std::string attempt;  // tells this start from earlier ones and from other jobs
};

// Value of an environment variable, null where it is not set.
using Environment = std::function<const char*(const char* name)>;

// RANK, WORLD_SIZE and LOCAL_RANK, else those of Open MPI (OMPI_COMM_WORLD_*), else those of a Slurm step (SLURM_PROCID,
// SLURM_NTASKS, SLURM_LOCALID), with MASTER_ADDR and MASTER_PORT. Nothing set, or a step of one task: alone.
// UserError that names the variable where some are missing or do not fit each other.
Place place_from_environment(const Environment& environment);
Place place_from_environment();

// Seconds a rank may take to come, and a wait may last: MOM_DIST_TIMEOUT_S, else 90.
std::chrono::milliseconds timeout_from_environment();

// Meets the others and connects to each of them: rank 0 opens the port, the ranks sign in, and rank 0 says whether all are
// there. On every rank a UserError after the timeout at the latest: the port is taken, ranks do not come (which), a rank is
// there twice, addresses do not reach each other. Alone: alone(). SIGPIPE is ignored from then on.
std::unique_ptr<Group> join(const Place& place, std::chrono::milliseconds timeout);

}  // namespace mom::dist
