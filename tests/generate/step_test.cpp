// Feeding known tokens in blocks, alone or beside others, gives the full pass's logits: for every backbone.
#include <gtest/gtest.h>

#include <algorithm>

#include "mom/base/random.h"
#include "mom/generate/network.h"
#include "mom/generate/step.h"
#include "mom/models/backbones.h"
#include "mom/models/diffusion.h"
#include "tests/support/tiny_generation.h"

namespace mom {
namespace {

using generate::DecodeState;
using generate::Feed;
using generate::kPicture;
using generate::StepOutput;
using models::Model;

constexpr double kTolerance = 1e-4;  // the promise; found: 5e-6 at these sizes

// A document with several pictures.
Feed document(const models::ModelSpec& spec, uint64_t seed, int64_t length) {
  RandomStream random(stream_key({seed}));
  torch::manual_seed(static_cast<int64_t>(seed));
  Feed feed;
  feed.append(2);
  while (static_cast<int64_t>(feed.tokens.size()) < length) {
    if (random.uniform() < 0.15 && spec.latents()) {
      feed.append(4);
      feed.append(generate::Picture{torch::randn(spec.latents()->latent_shape), 0});
      feed.append(5);
    } else {
      feed.append(static_cast<int32_t>(random.below(static_cast<uint64_t>(spec.vocab_size))));
    }
  }
  return feed;
}

// The feed's items [begin, end).
Feed part_of(const Feed& feed, size_t begin, size_t end) {
  Feed part;
  auto picture = static_cast<size_t>(
      std::count(feed.tokens.begin(), feed.tokens.begin() + static_cast<int64_t>(begin), kPicture));
  for (size_t i = begin; i < end; ++i)
    feed.tokens[i] == kPicture ? part.append(feed.pictures[picture++]) : part.append(feed.tokens[i]);
  return part;
}

// Logits after every item, from one pass without a state: [items, V], those of a picture after its last
// patch.
at::Tensor full_pass(Model& model, const Feed& feed) {
  torch::NoGradGuard no_grad;
  const models::ModelSpec& spec = model->spec();
  test::Sequence sequence;
  std::vector<int64_t> last_positions, timesteps;
  std::vector<at::Tensor> latents;
  for (const int32_t token : feed.tokens) {
    const int64_t count = token == kPicture ? spec.latents()->positions_per_item() : 1;
    sequence.tokens.insert(sequence.tokens.end(), static_cast<size_t>(count), std::max(token, 0));
    sequence.modality.insert(sequence.modality.end(), static_cast<size_t>(count),
                             token == kPicture ? 1 : spec.vocabulary.modality_of(token));
    last_positions.push_back(static_cast<int64_t>(sequence.tokens.size()) - 1);
  }
  sequence.offsets.push_back(static_cast<int64_t>(sequence.tokens.size()));
  for (const generate::Picture& picture : feed.pictures) {
    latents.push_back(picture.latent_CHW);
    timesteps.push_back(picture.timestep);
  }
  if (!latents.empty())
    sequence.patches_QP = models::patchify(torch::stack(latents), spec.latents()->patch_size);
  else if (spec.latents())
    sequence.patches_QP = torch::zeros({0, spec.latents()->patch_width()});
  sequence.timesteps_I = torch::tensor(timesteps, torch::kInt64);
  const models::ModelInput input = test::to_input(sequence, static_cast<int64_t>(spec.modalities.size()));
  const at::Tensor hidden_TE = model->forward(input).index_select(0, input.routing.order_T);
  return model->logits(hidden_TE.index_select(0, torch::tensor(last_positions)));
}

struct Case {
  test::Variant variant;
  bool patches;
};
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const test::Variant& variant : test::all_variants()) {
    all.push_back({variant, true});
    if (variant.name() == variant.backbone) all.push_back({variant, false});
  }
  return all;
}

class EveryBackboneSteps : public testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }
  Model model_ = test::initialised(test::generation_spec(GetParam().variant, GetParam().patches), 3);
  const models::ModelSpec& spec() { return model_->spec(); }
};
INSTANTIATE_TEST_SUITE_P(Backbones, EveryBackboneSteps, testing::ValuesIn(cases()), [](const auto& suite) {
  return suite.param.variant.name() + (suite.param.patches ? "_latents" : "_codes");
});

void expect_close(const at::Tensor& found_V, const at::Tensor& expected_V, const std::string& where) {
  EXPECT_LE((found_V - expected_V).abs().max().item<double>(), kTolerance) << where;
}

TEST_P(EveryBackboneSteps, OneByOneIsTheFullPass) {
  const Feed feed = document(spec(), 1, 40);
  const at::Tensor expected = full_pass(model_, feed);
  DecodeState state = generate::initial_state(*model_, 1);
  for (size_t i = 0; i < feed.tokens.size(); ++i) {
    const StepOutput output = test::step(*model_, state, {part_of(feed, i, i + 1)});
    ASSERT_EQ(output.logits_SV.defined(), feed.tokens[i] != kPicture);
    if (output.logits_SV.defined())
      expect_close(output.logits_SV[0], expected[static_cast<int64_t>(i)], "item " + std::to_string(i));
  }
}

// Three documents of other lengths, each cut into blocks of its own sizes, some waiting while others go on.
TEST_P(EveryBackboneSteps, BlocksInABatchAreTheFullPass) {
  std::vector<Feed> feeds = {document(spec(), 2, 31), document(spec(), 3, 50), document(spec(), 4, 9)};
  std::vector<at::Tensor> expected;
  for (const Feed& feed : feeds) expected.push_back(full_pass(model_, feed));
  RandomStream random(7);
  DecodeState state = generate::initial_state(*model_, 3);
  std::vector<size_t> at(3, 0);
  while (at[0] < feeds[0].tokens.size() || at[1] < feeds[1].tokens.size() || at[2] < feeds[2].tokens.size()) {
    std::vector<int64_t> who;
    std::vector<Feed> blocks;
    for (size_t s = 0; s < 3; ++s) {
      if (at[s] == feeds[s].tokens.size() || random.uniform() < 0.3) continue;
      const size_t end = std::min(feeds[s].tokens.size(), at[s] + 1 + random.below(12));
      who.push_back(static_cast<int64_t>(s));
      blocks.push_back(part_of(feeds[s], at[s], end));
      at[s] = end;
    }
    if (who.empty()) continue;
    DecodeState part = state.select(who);
    const StepOutput output = test::step(*model_, part, blocks);
    state.replace(who, part);
    for (size_t i = 0; i < who.size(); ++i) {
      const auto s = static_cast<size_t>(who[i]);
      if (blocks[i].tokens.back() != kPicture)
        expect_close(output.logits_SV[static_cast<int64_t>(i)], expected[s][static_cast<int64_t>(at[s]) - 1],
                     "sequence " + std::to_string(s) + ", item " + std::to_string(at[s]));
    }
  }
}

// Neither what else is in the batch nor where a document is cut changes a bit.
TEST_P(EveryBackboneSteps, SameBitsAloneAndBesideOthers) {
  std::vector<Feed> feeds;
  for (uint64_t seed = 0; seed < 5; ++seed)
    feeds.push_back(document(spec(), seed, 11 + 17 * static_cast<int64_t>(seed)));
  DecodeState together = generate::initial_state(*model_, 5);
  const StepOutput all = test::step(*model_, together, feeds);
  int64_t picture = 0;
  for (size_t s = 0; s < feeds.size(); ++s) {
    DecodeState alone = generate::initial_state(*model_, 1);
    const StepOutput own = test::step(*model_, alone, {feeds[s]});
    if (own.logits_SV.defined()) {
      EXPECT_TRUE(torch::equal(own.logits_SV[0], all.logits_SV[static_cast<int64_t>(s)])) << s;
    }
    for (int64_t i = 0; i < static_cast<int64_t>(feeds[s].pictures.size()); ++i, ++picture)
      EXPECT_TRUE(torch::equal(own.predicted[i], all.predicted[picture])) << s;
    Feed next;
    next.append(9);
    DecodeState part = together.select({static_cast<int64_t>(s)});
    EXPECT_TRUE(torch::equal(test::step(*model_, alone, {next}).logits_SV,
                             test::step(*model_, part, {next}).logits_SV))
        << s;
  }
}

// Attention's sums depend on how many keys there are at once.
TEST_P(EveryBackboneSteps, SameBitsWhereverItIsCut) {
  if (!generate::Network(model_).cuts_exactly()) GTEST_SKIP();
  Feed feed = document(spec(), 8, 70);
  feed.append(9);
  DecodeState whole = generate::initial_state(*model_, 1);
  const at::Tensor expected = test::step(*model_, whole, {feed}).logits_SV;
  for (const size_t cut : {1, 2, 17, 32, 50, 69, 70}) {
    DecodeState state = generate::initial_state(*model_, 1);
    test::step(*model_, state, {part_of(feed, 0, cut)});
    EXPECT_TRUE(torch::equal(test::step(*model_, state, {part_of(feed, cut, feed.tokens.size())}).logits_SV,
                             expected))
        << cut;
  }
}

TEST_P(EveryBackboneSteps, ABranchDoesNotDisturbItsParent) {
  const Feed feed = document(spec(), 5, 20), other = document(spec(), 6, 15);
  DecodeState parent = generate::initial_state(*model_, 1);
  test::step(*model_, parent, {feed});
  DecodeState shared = parent, branches = parent.select({0, 0, 0});
  EXPECT_LE(branches.num_bytes(), 3 * parent.num_bytes());
  Feed next;
  next.append(9);
  const at::Tensor expected = test::step(*model_, shared, {next}).logits_SV;
  test::step(*model_, branches, {other, next, other});
  expect_close(test::step(*model_, branches, {other, next, other}).logits_SV[1],
               test::step(*model_, shared, {next}).logits_SV[0], "branch");
  EXPECT_TRUE(torch::equal(test::step(*model_, parent, {next}).logits_SV, expected));
}

}  // namespace
}  // namespace mom
