// What a step takes on many processes: memory of each, bytes over the network, time (cluster_step.h). Nothing is run and no
// network is measured.
#pragma once

#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::train {

struct Cluster {
  int64_t machines = 1, devices = 1;  // per machine
  double link_bits = 10e9;            // per second, in each direction
  double flops_rate = 0;              // FLOP/s that a device attains in training
  int64_t threads = 1;                // of a process: as many microbatches are under way
  int64_t processes() const { return machines * devices; }
};

struct ClusterPlanOptions {
  Path recipe;
  std::vector<std::string> overrides;
  std::string size, backbone, setting;  // in place of a recipe, whose other keys are at their defaults
  int64_t tokens = 16384;               // with a size: of a process per step, in microbatches of one sequence
  Cluster cluster;
  std::string device;  // a name of devices(): its rate, unless the cluster has one
};

// Everything about it: what `mom plan --json` prints.
OrderedJson cluster_plan_json(const ClusterPlanOptions& options);

// Rates that devices attain in training, with where they come from.
struct Device {
  std::string name;
  double flops_rate;
  std::string source;
};
const std::vector<Device>& devices();

// "10Gbit", "200Mbit", "450GB" (bytes) or "nvlink", each with or without "/s": bits per second. UserError otherwise.
double parse_link(const std::string& text);
// "400T", "175G" or "4e14". UserError otherwise.
double parse_flops_rate(const std::string& text);

}  // namespace mom::train
