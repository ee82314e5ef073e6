// A step on many processes, computed from the counts that training and `--dry-run` use.
//
// N parameters, P processes (machines x devices), F FLOPs of a step. The optimizer is sharded:
//
//   memory of a process    plan.h
//   bytes it sends         4 N (P - 1) / P for gradients (all-to-all), and as many for weights (all-gather); with train.shard =
//                          "all" for every microbatch of a process the gradients once and the weights twice, those
//                          outside the blocks and of the last block once. Where a process has one microbatch, the gradient of
//                          the embeddings is that of the tokens in it (table_rows.h). In bf16 weights of projections count
//                          2, and so do their gradients, but where a process adds several (transit.h); and of S sequence
//                          ranks, of each microbatch twice the states of a sequence, times (S - 1) / S, whose time is not counted
//   time of a step         F / (P rate), plus the time of the weights, plus that of the gradients; where a process has one
//                          microbatch, or all is sharded, gradients travel behind backward, two thirds of the computing, and
//                          only what they take beyond it counts; so do weights where all is sharded, behind the rest
//
// On several machines the link is that of a machine, which its devices share; what stays inside a machine is not counted as
// time. On one machine it is the link of each device.
#pragma once

#include "mom/train/cluster_plan.h"
#include "mom/train/plan.h"

namespace mom::train {

struct ClusterPlan {
  Memory memory;             // of a process
  double sent_bytes = 0;     // by a process, per step
  double leaving_bytes = 0;  // over the link, per step
  double compute_s = 0, gradients_s = 0, weights_s = 0, step_s = 0;
};

// A step on a batch. UserError where the processes cannot share out the microbatches.
ClusterPlan plan_cluster(const Cluster& cluster, const models::ParameterCounts& counts,
                         const BatchShape& batch, const Activations& of_a_microbatch,
                         const TrainConfig& train);

}  // namespace mom::train
