#include "mom/train/cluster_step.h"

#include <algorithm>

#include "mom/models/counts.h"

namespace mom::train {
namespace {

constexpr double kBackward = 2.0 / 3;  // of a step's computing: two of three forwards

}  // namespace

ClusterPlan plan_cluster(const Cluster& cluster, const models::ParameterCounts& counts,
                         const BatchShape& batch, const Activations& of_a_microbatch,
                         const TrainConfig& train) {
  const double processes = static_cast<double>(cluster.processes()),
               devices = static_cast<double>(cluster.devices);
  const bool all = train.shard == "all" && cluster.processes() > 1;
  const double together = static_cast<double>(train.sequence_ranks),
               share = static_cast<double>(train.microbatches) * together / processes,
               rounds = all ? share : 1;
  const double total = 4 * static_cast<double>(counts.total),
               rounded = train.precision == "bfloat16" ? 2 * static_cast<double>(counts.factors) : 0,
               again = static_cast<double>(counts.in_blocks - counts.largest_block) /
                       static_cast<double>(std::max<int64_t>(1, counts.in_blocks)),
               twice = again * (4 * static_cast<double>(counts.in_blocks) - rounded);
  const double gradients = all         ? rounds * (total - rounded)
                           : share > 1 ? total
                                       : total - rounded - 4 * batch.unread,
               weights = all ? rounds * (total - rounded + twice) : total - rounded;
  // Of what is spread over all, the part that a process sends, and that a machine's processes send to others.
  const double sent = (processes - 1) / processes,
               leaving = cluster.machines > 1 ? devices * (processes - devices) / processes : sent;
  ClusterPlan plan;
  plan.memory = memory_of_process(counts, cluster.processes(), cluster.threads, of_a_microbatch, train);
  plan.sent_bytes =
      sent * (gradients + weights) + share * 2 * (together - 1) / together * of_a_microbatch.states;
  plan.leaving_bytes = leaving * (gradients + weights);
  plan.compute_s = batch.flops / processes / cluster.flops_rate;
  plan.gradients_s = leaving * gradients * 8 / cluster.link_bits;
  plan.weights_s = leaving * weights * 8 / cluster.link_bits;
  double hidden = all || share == 1 ? std::min(plan.gradients_s, kBackward * plan.compute_s) : 0;
  if (all) hidden += std::min(plan.weights_s, plan.compute_s - hidden);
  plan.step_s = plan.compute_s + plan.gradients_s + plan.weights_s - hidden;
  return plan;
}

}  // namespace mom::train
