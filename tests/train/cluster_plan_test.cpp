#include "mom/train/cluster_step.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"

namespace mom::train {
namespace {

// 1,000 parameters on two machines of two devices: 4,000 bytes of weights, 2 s of computing, 1,000 bytes/s between machines.
struct Tiny {
  Cluster cluster{.machines = 2, .devices = 2, .link_bits = 8000, .flops_rate = 1e9};
  BatchShape batch{.flops = 8e9};
  Activations activations{.kept = 700, .passing = 300};
  models::ParameterCounts counts{
      .total = 1000, .embedding = 0, .active = {}, .in_blocks = 800, .largest_block = 200, .factors = 600};
  TrainConfig train;
  Tiny() { train.microbatches = 4; }
  ClusterPlan plan() const { return plan_cluster(cluster, counts, batch, activations, train); }
};

TEST(ClusterPlan, addsUpByHand) {
  const ClusterPlan plan = Tiny().plan();
  EXPECT_EQ(plan.memory.weights, 4000);
  EXPECT_EQ(plan.memory.gradients, 4000);
  EXPECT_EQ(plan.memory.moments, 2000);   // a quarter of two times 4,000
  EXPECT_EQ(plan.memory.received, 3000);  // one bucket, but the own part
  EXPECT_EQ(plan.memory.average, 0);
  EXPECT_NEAR(plan.memory.activations, 1100, 1e-9);
  EXPECT_NEAR(plan.memory.total(), 4000 + 4000 + 2000 + 3000 + 1100, 1e-9);
  EXPECT_EQ(plan.sent_bytes, 6000);     // three quarters of 4,000, twice
  EXPECT_EQ(plan.leaving_bytes, 8000);  // two devices send 1,000 bytes to each of two others, twice
  EXPECT_EQ(plan.compute_s, 2);
  EXPECT_EQ(plan.gradients_s, 4);
  EXPECT_EQ(plan.weights_s, 4);
  EXPECT_NEAR(plan.step_s, 2 + (4 - 2 * 2.0 / 3) + 4, 1e-9);
}

TEST(ClusterPlan, severalMicrobatchesOfAProcess) {
  Tiny tiny;
  tiny.train.microbatches = 16;  // four of each process: one under way, two branches that wait
  EXPECT_EQ(tiny.plan().memory.gradients, 3 * 4000);
  EXPECT_EQ(tiny.plan().step_s, 2 + 4 + 4);  // nothing travels behind backward
  tiny.cluster.threads = 2;
  EXPECT_EQ(tiny.plan().memory.gradients, 4 * 4000);
  EXPECT_NEAR(tiny.plan().memory.activations, 2 * 1100, 1e-9);
  tiny.cluster.threads = 64;  // no more gradients than microbatches
  EXPECT_EQ(tiny.plan().memory.gradients, 4 * 4000);
}

TEST(ClusterPlan, bfloat16HalvesWhatProjectionsSend) {
  Tiny tiny;
  tiny.train.precision = "bfloat16";
  EXPECT_EQ(tiny.plan().sent_bytes, 0.75 * 2 * (4000 - 2 * 600));
  tiny.train.microbatches = 8;  // sums of two are not rounded
  EXPECT_EQ(tiny.plan().sent_bytes, 0.75 * (4000 - 2 * 600 + 4000));
}

TEST(ClusterPlan, gradientsOfEmbeddingsThatAreReadTravelAlone) {
  Tiny tiny;
  tiny.batch.unread = 50;
  EXPECT_EQ(tiny.plan().sent_bytes, 0.75 * (4000 - 200 + 4000));
  tiny.train.microbatches = 8;  // two of a process may read any of them
  EXPECT_EQ(tiny.plan().sent_bytes, 6000);
}

TEST(ClusterPlan, ofSequenceRanks) {
  Tiny tiny;
  tiny.activations.states = 80;
  EXPECT_EQ(tiny.plan().sent_bytes, 6000);
  tiny.train.sequence_ranks = 2;  // two microbatches of each process: one at a time, one that waits
  EXPECT_EQ(tiny.plan().sent_bytes, 6000 + 2 * 80);
  EXPECT_EQ(tiny.plan().memory.gradients, 2 * 4000);
  tiny.train.sequence_ranks = 4;
  EXPECT_EQ(tiny.plan().sent_bytes, 6000 + 4 * 2 * 0.75 * 80);
  tiny.train.sequence_ranks = 3;
  EXPECT_THROW(tiny.plan(), UserError);
}

TEST(ClusterPlan, ofEverythingSharded) {
  Tiny tiny;
  tiny.train.shard = "all";
  const ClusterPlan plan = tiny.plan();
  // A quarter; three quarters of what is outside the blocks, and of two blocks, or one.
  EXPECT_EQ(plan.memory.weights, 1000 + 0.75 * (800 + 2 * 800));
  EXPECT_EQ(plan.memory.gradients, 1000 + 0.75 * (800 + 800));
  EXPECT_EQ(plan.memory.moments, 2000);
  EXPECT_EQ(plan.sent_bytes, 0.75 * (4000 + 4000 + 3 * 800));  // three blocks come twice
  tiny.train.precision = "bfloat16";
  EXPECT_EQ(tiny.plan().sent_bytes, 0.75 * (2800 + 2800 + 0.75 * 2000));
  tiny.train.precision = "float32";
  tiny.train.microbatches = 16;  // four rounds, of which two branches wait
  EXPECT_EQ(tiny.plan().sent_bytes, 4 * plan.sent_bytes);
  EXPECT_EQ(tiny.plan().memory.gradients, 3 * 1000 + 0.75 * (800 + 800));
  tiny.train.ema_decay = 0.9;
  EXPECT_EQ(tiny.plan().memory.average, plan.memory.weights);
  tiny.train.microbatches = 12;  // three rounds are as good
  EXPECT_EQ(tiny.plan().sent_bytes, 3 * plan.sent_bytes);
}

TEST(ClusterPlan, ofOneMachineAndOfOneProcess) {
  Tiny tiny;
  tiny.cluster.machines = 1;
  tiny.cluster.devices = 4;  // the link is each device's
  EXPECT_EQ(tiny.plan().leaving_bytes, 6000);
  EXPECT_EQ(tiny.plan().weights_s, 3);
  tiny.cluster.devices = 1;
  tiny.train.microbatches = 1;
  EXPECT_EQ(tiny.plan().sent_bytes, 0);
  EXPECT_EQ(tiny.plan().memory.received, 0);
  EXPECT_EQ(tiny.plan().memory.moments, 8000);
  EXPECT_EQ(tiny.plan().step_s, 8);
  tiny.train.ema_decay = 0.9;
  EXPECT_EQ(tiny.plan().memory.average, 4000);
}

TEST(ClusterPlan, refusesProcessesThatDoNotShareOut) {
  Tiny tiny;
  for (const int64_t microbatches : {1, 6, 12}) {  // 12: three each is no power of two
    tiny.train.microbatches = microbatches;
    EXPECT_THROW(tiny.plan(), UserError) << microbatches;
  }
}

TEST(ClusterPlan, ofANamedSize) {
  ClusterPlanOptions options;
  options.size = "37M";
  options.backbone = "mamba";
  options.setting = "chameleon";
  options.device = "epyc2";
  options.cluster.machines = 4;
  const OrderedJson json = cluster_plan_json(options);
  const double parameters = json["parameters"].get<double>();
  EXPECT_EQ(json["processes"], 4);
  EXPECT_EQ(json["tokens_per_step"], 4 * 16384);
  EXPECT_EQ(json["microbatches"], 16);
  EXPECT_EQ(json["memory_bytes"]["moments"].get<double>(), 2 * parameters);
  EXPECT_EQ(json["sent_bytes_per_step"].get<double>(), 6 * parameters);
  double sum = 0;
  for (const auto& [name, bytes] : json["memory_bytes"].items())
    if (name != "peak") sum += bytes.get<double>();
  EXPECT_NEAR(json["memory_bytes"]["peak"].get<double>(), sum, 1);
  EXPECT_NEAR(json["compute_s"].get<double>(), json["flops_per_step"].get<double>() / 4 / 175e9, 1e-9);
  // At least three forwards of two FLOPs for every parameter beside the tables.
  EXPECT_GT(json["flops_per_step"].get<double>(), 6.0 * 4 * 16384 * 15e6);
  options.device = "abacus";
  EXPECT_THROW(cluster_plan_json(options), UserError);
}

TEST(ClusterPlan, ratesAsPeopleWriteThem) {
  EXPECT_EQ(parse_link("10Gbit"), 10e9);
  EXPECT_EQ(parse_link("200Mbit/s"), 200e6);
  EXPECT_EQ(parse_link("450GB/s"), parse_link("nvlink"));
  EXPECT_EQ(parse_flops_rate("400T"), 4e14);
  EXPECT_EQ(parse_flops_rate("1.75e11"), 1.75e11);
  for (const char* wrong : {"", "10", "fast", "-1Gbit", "10Gbits", "0Gbit", "infGbit", "nanGbit", "Gbit"})
    EXPECT_THROW(parse_link(wrong), UserError) << wrong;
  for (const char* wrong : {"", "T", "4X", "-4T", "400TB", "nan"})
    EXPECT_THROW(parse_flops_rate(wrong), UserError) << wrong;
}

}  // namespace
}  // namespace mom::train
