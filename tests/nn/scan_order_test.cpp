// Scan orders inside an item: the permutation by hand, and recurrent mixers that follow it.
#include "mom/nn/scan_order.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "mom/nn/mamba.h"
#include "mom/nn/ssm.h"

namespace mom::nn {
namespace {

using enum ScanOrder;

// Patches of a grid of 2 rows and 3 columns in the order they are visited.
const std::vector<std::pair<ScanOrder, std::vector<int64_t>>> kVisits = {
    {kRaster, {0, 1, 2, 3, 4, 5}},
    {kReversed, {5, 4, 3, 2, 1, 0}},
    {kColumns, {0, 3, 1, 4, 2, 5}},
    {kReversedColumns, {5, 2, 4, 1, 3, 0}}};
constexpr int64_t kPatches = 6, kBefore = 3, kAfter = 4;

// Two sequences: text and two items, next to each other; an item alone. Modality 1 has the items.
struct Layout {
  Routing routing;
  ItemGrid grid;
};
Layout layout() {
  std::vector<int64_t> modality(kBefore, 0);
  modality.insert(modality.end(), 2 * kPatches, 1);
  modality.insert(modality.end(), kAfter, 0);
  const auto first = std::ssize(modality);
  modality.insert(modality.end(), kPatches, 1);
  const Routing routing =
      make_routing(torch::tensor(modality), torch::tensor({int64_t{0}, first, std::ssize(modality)}), 2);
  return {routing, {routing.group_begin(1), routing.group_begin(2), 2, 3}};
}

TEST(ScanOrder, PatternsTakeTurns) {
  EXPECT_EQ(scan_patterns(), (std::vector<std::string>{"raster", "alternate", "four"}));
  const std::vector<std::pair<std::string, std::vector<ScanOrder>>> turns = {
      {"raster", {kRaster, kRaster, kRaster, kRaster, kRaster}},
      {"alternate", {kRaster, kReversed, kRaster, kReversed, kRaster}},
      {"four", {kRaster, kReversed, kColumns, kReversedColumns, kRaster}}};
  for (const auto& [pattern, orders] : turns)
    for (size_t turn = 0; turn < orders.size(); ++turn)
      EXPECT_EQ(scan_order(pattern, static_cast<int64_t>(turn)), orders[turn]) << pattern << turn;
}

TEST(ScanOrder, EveryItemIsVisitedInItsOrder) {
  const auto [routing, grid] = layout();
  for (const auto& [order, patches] : kVisits) {
    std::vector<int64_t> expected = {0, 1, 2};  // rows: 7 of text, then three items
    auto item = [&](int64_t first) {
      for (const int64_t patch : patches) expected.push_back(first + patch);
    };
    item(7), item(13);
    for (int64_t row = 3; row < 7; ++row) expected.push_back(row);
    item(19);
    const Routing visited = in_scan_order(routing, {grid}, order);
    EXPECT_TRUE(torch::equal(visited.order_T, torch::tensor(expected))) << static_cast<int>(order);
    EXPECT_TRUE(visited.group_offsets_M1.is_same(routing.group_offsets_M1));
    EXPECT_TRUE(visited.offsets_S1.is_same(routing.offsets_S1));
  }
}

TEST(ScanOrder, ItemsThatAreNotWholeAreRefused) {
  const auto refused = [](const std::vector<int64_t>& modality, const std::vector<int64_t>& offsets) {
    const Routing routing = make_routing(torch::tensor(modality), torch::tensor(offsets), 2);
    const ItemGrid grid = {routing.group_begin(1), routing.group_begin(2), 1, 3};
    EXPECT_NO_THROW(in_scan_order(routing, {grid}, kRaster));
    EXPECT_THROW(in_scan_order(routing, {grid}, kReversed), c10::Error);
  };
  refused({0, 1, 1, 1, 0}, {0, 3, 5});     // cut by the end of a sequence
  refused({1, 1, 0, 1, 0}, {0, 5});        // text inside
  refused({0, 1, 1}, {0, 3});              // too short
  refused({1, 1, 1, 1, 0, 1, 1}, {0, 7});  // the second item is cut by text
}

template <class Config>
std::shared_ptr<Mixer> mixer_of(const std::string& pattern, int64_t turn) {
  Config config;
  config.image_scan = pattern;
  config.resolve(8);
  Trunk trunk;
  trunk.d_model = 8;
  trunk.modalities = {"text", "image"};
  trunk.decoupled = {"in_proj", "x_proj", "dt_proj", "out_proj"};
  trunk.turn = turn;
  std::shared_ptr<Mixer> mixer = config.make(trunk);
  torch::NoGradGuard no_grad;
  at::manual_seed(4);
  for (auto& parameter : mixer->parameters()) parameter.normal_(0, 0.5);
  return mixer;
}

struct Passed {
  at::Tensor y_TE, x_grad_TE;
  MixerState state;
};
// Gradients of a pass without a state, the state of another.
Passed pass(Mixer& mixer, const at::Tensor& x_TE, const Layout& layout) {
  BlockContext context;
  context.routing = layout.routing, context.grids = {layout.grid};
  const at::Tensor x = x_TE.clone().requires_grad_(true);
  Passed passed{mixer.forward(x, context), {}, {}};
  passed.y_TE.square().sum().backward();
  passed.x_grad_TE = x.grad();
  const torch::NoGradGuard no_grad;
  mixer.forward(x_TE, context, &passed.state);
  return passed;
}

template <class Config>
class RecurrentMixer : public testing::Test {};
using RecurrentConfigs = testing::Types<MambaConfig, SsmConfig>;
TYPED_TEST_SUITE(RecurrentMixer, RecurrentConfigs);

// Reading in an order is reading by rows what was laid out in that order.
TYPED_TEST(RecurrentMixer, AnOrderIsThePatchesLaidOutInIt) {
  const Layout at = layout();
  at::manual_seed(5);
  const at::Tensor x_TE = torch::randn({at.routing.num_tokens(), 8});
  const Passed plain = pass(*mixer_of<TypeParam>("raster", 3), x_TE, at);
  for (size_t turn = 0; turn < kVisits.size(); ++turn) {
    const Passed found = pass(*mixer_of<TypeParam>("four", static_cast<int64_t>(turn)), x_TE, at);
    std::vector<int64_t> rows;  // row of the new layout -> row of x
    for (int64_t row = 0; row < at.grid.begin; ++row) rows.push_back(row);
    for (int64_t item = at.grid.begin; item < at.grid.end; item += kPatches)
      for (const int64_t patch : kVisits[turn].second) rows.push_back(item + patch);
    const at::Tensor index = torch::tensor(rows);
    const Passed moved = pass(*mixer_of<TypeParam>("raster", 0), x_TE.index_select(0, index), at);
    const auto differ = [](const at::Tensor& a, const at::Tensor& b) {
      return (a - b).abs().max().template item<double>();
    };
    EXPECT_LE(differ(found.y_TE.index_select(0, index), moved.y_TE), 1e-5) << turn;
    EXPECT_LE(differ(found.x_grad_TE.index_select(0, index), moved.x_grad_TE), 1e-4) << turn;
    EXPECT_LE(differ(found.state.conv_SDK, moved.state.conv_SDK), 1e-5) << turn;
    EXPECT_LE(differ(found.state.recurrent_SDN, moved.state.recurrent_SDN), 1e-5) << turn;
    EXPECT_EQ(differ(found.y_TE, plain.y_TE) > 1e-2, turn > 0) << turn;
  }
}

// A patch is seen by itself, by those visited later, and by what follows the item; by nothing before it.
TYPED_TEST(RecurrentMixer, APatchIsSeenByThoseVisitedLater) {
  const Layout at = layout();
  at::manual_seed(6);
  const at::Tensor x_TE = torch::randn({at.routing.num_tokens(), 8});
  for (size_t turn = 0; turn < kVisits.size(); ++turn) {
    const std::shared_ptr<Mixer> mixer = mixer_of<TypeParam>("four", static_cast<int64_t>(turn));
    const auto steps =
        [&](const at::Tensor& x) {  // by a state: ssm's convolution by FFT mixes rounding errors
          BlockContext context;
          context.routing = at.routing, context.grids = {at.grid};
          MixerState state;
          const torch::NoGradGuard no_grad;
          return mixer->forward(x, context, &state);
        };
    const at::Tensor before = steps(x_TE);
    const std::vector<int64_t>& patches = kVisits[turn].second;
    for (int64_t nth = 0; nth < kPatches; ++nth) {
      at::Tensor changed = x_TE.clone();
      changed[at.grid.begin + patches[static_cast<size_t>(nth)]].add_(1);
      const at::Tensor same = steps(changed).eq(before).all(1);
      const auto is_same = [&](int64_t row) { return same[row].template item<bool>(); };
      for (int64_t row = 0; row < kBefore; ++row) EXPECT_TRUE(is_same(row));
      for (int64_t k = 0; k < kPatches; ++k)
        EXPECT_EQ(is_same(at.grid.begin + patches[static_cast<size_t>(k)]), k < nth) << turn << nth << k;
      for (int64_t row = kBefore; row < kBefore + kAfter; ++row) EXPECT_FALSE(is_same(row));
      for (int64_t patch = 0; patch < kPatches; ++patch) {
        EXPECT_FALSE(is_same(at.grid.begin + kPatches + patch));     // the next item of the sequence
        EXPECT_TRUE(is_same(at.grid.begin + 2 * kPatches + patch));  // another sequence
      }
    }
  }
}

}  // namespace
}  // namespace mom::nn
